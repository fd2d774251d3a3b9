//! Packages that are signed, and signed wrongly.

#![allow(clippy::unwrap_used, reason = "a test may fail")]

use std::fs;
use std::path::{Path, PathBuf};

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{RSA_PKCS1_SHA256, RsaKeyPair};
use ips::{Fmri, Repository};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose,
    PKCS_RSA_SHA256, RsaKeySize,
};
use signatures::{Check, TrustAnchors, Verdict, check};

struct Party {
    certificate: String,
    issuer: Issuer<'static, KeyPair>,
    key: Vec<u8>,
}

fn party(name: &str, by: Option<&Party>, authority: bool, usage: KeyUsagePurpose) -> Party {
    let key = KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048).unwrap();
    let mut parameters = CertificateParams::new(Vec::new()).unwrap();
    parameters.distinguished_name.push(DnType::CommonName, name);
    parameters.key_usages = vec![usage];
    if authority {
        parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    }
    let certificate = match by {
        Some(by) => parameters.signed_by(&key, &by.issuer).unwrap().pem(),
        None => parameters.self_signed(&key).unwrap().pem(),
    };
    Party { certificate, key: key.serialize_der(), issuer: Issuer::new(parameters, key) }
}

/// A root, an authority below it, a signer.
struct Site {
    directory: tempfile::TempDir,
    root: Party,
    middle: Party,
    signer: Party,
    repository: Repository,
}

const FMRI: &str = "pkg://test/a@1.0,5.11-1:20260102T030405Z";

impl Site {
    fn new() -> Self {
        let root = party("root", None, true, KeyUsagePurpose::KeyCertSign);
        let middle = party("middle", Some(&root), true, KeyUsagePurpose::KeyCertSign);
        let signer = party("signer", Some(&middle), false, KeyUsagePurpose::DigitalSignature);
        let directory = tempfile::tempdir().unwrap();
        let repository = Repository::create(directory.path().join("repo"), "test").unwrap();
        Self { directory, root, middle, signer, repository }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn store(&self, certificate: &str) -> String {
        fs::write(self.path("certificate"), certificate).unwrap();
        self.repository.add_payload("test", &self.path("certificate")).unwrap().sha1
    }

    fn trust(&self, party: &Party) -> TrustAnchors {
        fs::write(self.path("ca.pem"), &party.certificate).unwrap();
        TrustAnchors::read(self.path("ca.pem")).unwrap()
    }

    /// A signature by a party over the package that `actions` and the signature make.
    fn sign(&self, by: &Party, actions: &[&str]) -> String {
        let (own, chain) = (self.store(&by.certificate), self.store(&self.middle.certificate));
        let line = |value: &str| {
            format!("signature {own} algorithm=rsa-sha256 chain={chain} value={value} version=0")
        };
        let mut lines: Vec<String> = actions.iter().map(|line| (*line).to_owned()).collect();
        lines.push(line("\"\""));
        lines.sort();
        let key = RsaKeyPair::from_pkcs8(&by.key).unwrap();
        let mut value = vec![0; key.public_modulus_len()];
        let text = lines.join("\n");
        key.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), text.as_bytes(), &mut value).unwrap();
        line(&hex::encode(value))
    }

    fn check(&self, lines: &[&str], trust: &TrustAnchors) -> Vec<Check> {
        let fmri: Fmri = FMRI.parse().unwrap();
        let (stem, version) = fmri.quoted().unwrap();
        let directory = self.path("repo/publisher/test/pkg").join(stem);
        fs::create_dir_all(&directory).unwrap();
        fs::write(directory.join(version), lines.join("\n") + "\n").unwrap();
        let repository = Repository::open(self.path("repo")).unwrap();
        check(&repository, &fmri, trust).unwrap()
    }
}

#[track_caller]
fn bad(checks: &[Check], words: &str) {
    let Verdict::Bad(why) = &checks[0].verdict else { panic!("{checks:?}") };
    assert!(why.contains(words), "{why}");
}

#[test]
fn signatures_hold_or_do_not() {
    let site = Site::new();
    let name = format!("set name=pkg.fmri value={FMRI}");
    let actions =
        [&*name, "dir group=sys mode=0755 owner=root path=opt", "set name=x value=1 value=2"];
    let signature = site.sign(&site.signer, &actions);
    let whole = [&actions[..], &[&signature]].concat();
    let trusted = site.trust(&site.root);

    let checks = site.check(&whole, &trusted);
    assert_eq!(checks[0].verdict, Verdict::Valid);
    assert_eq!(checks[0].names, ["signer", "middle", "root"]);
    // The order of lines, and of the values of a list, is nobody's concern.
    let turned = [&signature, &*name, "set name=x value=2 value=1", actions[1]];
    assert_eq!(site.check(&turned, &trusted)[0].verdict, Verdict::Valid);
    let middle = site.trust(&site.middle);
    assert_eq!(site.check(&whole, &middle)[0].names, ["signer", "middle"]);
    assert!(site.check(&actions, &trusted).is_empty());

    let changed = [&*name, "dir group=sys mode=0777 owner=root path=opt", actions[2], &signature];
    bad(&site.check(&changed, &trusted), "not the one that was signed");
    bad(&site.check(&whole, &TrustAnchors::default()), "nobody who is trusted vouches for middle");
    let stranger = party("root", None, true, KeyUsagePurpose::KeyCertSign);
    bad(&site.check(&whole, &site.trust(&stranger)), "nobody who is trusted vouches for middle");

    let alone = party("alone", None, false, KeyUsagePurpose::DigitalSignature);
    let by_alone = site.sign(&alone, &actions);
    let lines = [&actions[..], &[&by_alone]].concat();
    bad(&site.check(&lines, &trusted), "alone vouches only for itself");
    assert_eq!(site.check(&lines, &site.trust(&alone))[0].verdict, Verdict::Valid);

    // Who may sign certificates may not sign packages, and the other way round.
    let by_middle = site.sign(&site.middle, &actions);
    let lines = [&actions[..], &[&by_middle]].concat();
    bad(&site.check(&lines, &trusted), "middle is not for signatures");
    let below = party("below", Some(&site.signer), false, KeyUsagePurpose::DigitalSignature);
    let by_below = site.sign(&below, &actions);
    let lines = [&actions[..], &[&by_below]].concat();
    bad(&site.check(&lines, &trusted), "nobody who is trusted vouches for below");

    // Two signatures do not disturb each other.
    let both = [&whole[..], &[&by_alone]].concat();
    let verdicts: Vec<Verdict> =
        site.check(&both, &trusted).into_iter().map(|check| check.verdict).collect();
    assert_eq!(verdicts[0], Verdict::Valid);
    assert!(matches!(verdicts[1], Verdict::Bad(_)));
}

#[test]
fn what_is_no_signature() {
    let site = Site::new();
    let name = format!("set name=pkg.fmri value={FMRI}");
    let trusted = site.trust(&site.root);
    let of = |line: &str| site.check(&[&*name, line], &trusted);
    let verdict = |line: &str| of(line)[0].verdict.clone();
    for (line, words) in [
        ("signature algorithm=sha256 value=00 version=1", "version 1"),
        ("signature algorithm=md5 value=00 version=0", "md5"),
        ("signature algorithm=dsa-sha256 value=00 version=0", "dsa-sha256"),
        ("signature algorithm=sha256 value=00 version=0 variant.arch=i386", "variant"),
    ] {
        assert!(matches!(verdict(line), Verdict::Unknown(why) if why.contains(words)), "{line}");
    }
    bad(&of("signature algorithm=sha256 value=00 version=0"), "not the one it was made for");
    bad(&of("signature algorithm=sha256 value=xy version=0"), "its value");
    let absent = "0".repeat(40);
    bad(&of(&format!("signature {absent} algorithm=rsa-sha256 value=00 version=0")), &absent);
    let text = site.store("no certificate");
    bad(
        &of(&format!("signature {text} algorithm=rsa-sha256 value=00 version=0")),
        "no certificate",
    );
    let lines = format!("{name}\nsignature algorithm=sha256 value=\"\" version=0");
    let digest =
        hex::encode(aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, lines.as_bytes()));
    let line = format!("signature algorithm=sha256 value={digest} version=0");
    assert_eq!(verdict(&line), Verdict::Digest);
}

#[test]
fn anchors_are_files_or_directories() {
    let site = Site::new();
    fs::create_dir(site.path("certs")).unwrap();
    fs::write(site.path("certs/one.pem"), &site.root.certificate).unwrap();
    assert!(TrustAnchors::read(site.path("certs")).is_ok());
    fs::write(site.path("certs/two.pem"), "nothing").unwrap();
    let error = |path: &Path| TrustAnchors::read(path).err().unwrap().to_string();
    assert!(error(&site.path("certs")).contains("two.pem: there is no certificate in it"));
    assert!(error(&site.path("none")).contains("none"));
}
