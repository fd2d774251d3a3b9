//! Firmware by lists of hashes, and the repository in both formats.

use std::fs;
use std::path::{Path, PathBuf};

use crate::common::{BUILD_TIME, key, run, sample, xtask};

const VERSION: &str = "1.0.38";

/// Files named by their hash.
struct Images(PathBuf);

impl Images {
    fn add(&self, bytes: &[u8]) -> String {
        let hash = blake3::hash(bytes).to_string();
        fs::write(self.0.join(format!("{hash}.zip")), bytes).unwrap();
        hash
    }

    fn archive(&self, board: &str, image_name: Option<&str>) -> String {
        let fake = hubris::Fake::new(board, VERSION);
        self.add(&hubris::Fake { image_name, ..fake }.archive())
    }
}

/// Everything that racks want, and the list of it.
fn list(images: &Images) -> String {
    let mut list = String::new();
    for (board, kind) in
        [("gimlet", "gimlet"), ("cosmo", "gimlet"), ("psc", "psc"), ("sidecar", "switch")]
    {
        let mut text = String::new();
        let mut add = |kind: &str, name: &str, source: &str| {
            text += &format!(
                "[[artifact.{kind}]]\nname = \"{name}\"\nversion = \"{VERSION}\"\n\
                 source = {{ {source} }}\n"
            );
        };
        let file = |hash: &str| format!("kind = \"file\", hash = \"{hash}\"");
        let [a, b] = ["a", "b"].map(|slot| {
            let hash = images.archive(&format!("{board}-rot"), Some(slot));
            format!("archive_{slot} = {{ hash = \"{hash}\" }}")
        });
        add(
            &format!("{kind}_rot"),
            &format!("oxide-rot-1-staging-devel-{board}"),
            &format!("kind = \"composite-rot\", {a}, {b}"),
        );
        let boot = format!("{kind}_rot_bootloader");
        let name = format!("{boot}-staging-devel-{board}");
        add(&boot, &name, &file(&images.archive(&format!("{board}-boot"), None)));
        let sp = format!("{board}-c");
        add(&format!("{kind}_sp"), &sp, &file(&images.archive(&sp, Some("default"))));
        if board == "sidecar" {
            let corpus = images.add(&hubris::fake_corim("all-sp", "1.0.5"));
            text += &format!("[measurement_corpus]\nhash = \"{corpus}\"\n");
        }
        list += &format!("{} manifest-{board}.toml\n", images.add(text.as_bytes()));
    }
    list
}

#[test]
fn both_formats_have_the_firmware_of_the_list() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name);
    fs::create_dir(path("images")).unwrap();
    fs::write(path("staging"), list(&Images(path("images")))).unwrap();
    let config = format!(
        "[host]\nimage = {:?}\n[trampoline]\nimage = {:?}\n\
         [repository]\nzone-files = [{:?}]\n\
         [[firmware]]\nenvironment = \"staging\"\nlist = \"staging\"\n\
         directories = [\"images\"]\n",
        sample().path("host"),
        sample().path("trampoline"),
        crate::config::zone_of_ones_own(directory.path()),
    );
    fs::write(path("releng.toml"), &config).unwrap();
    let releng = |more: &[&str], out: &Path| {
        let mut command = xtask();
        command.args(["releng", "--config"]).arg(path("releng.toml")).arg("--out").arg(out);
        command.arg("--key").arg(key(directory.path(), 3)).args(["--progress", "plain"]);
        run(command.args(["--version", "1.0.0"]).args(more))
    };
    let out = path("out");
    let outcome = releng(&["--format", "v1"], &out);
    outcome.expect(0, &["firmware/staging", "finished"]);
    let zips = ["repo.zip", "repo-v1.zip"].map(|name| out.join(name));
    assert_eq!(outcome.out, format!("{}\n{}\n", zips[0].display(), zips[1].display()));
    for (zip, root, kinds) in [
        (&zips[0], "root.json", &["kind=sp,sp_board=cosmo-c", "kind=rot,rot_board=psc-rot"][..]),
        (
            &zips[1],
            "root-v1.json",
            &["\ncontrol_plane-control-plane-1.0.0.", "\ntrampoline-", "\npsc_rot-oxide-rot-1-"],
        ),
    ] {
        let mut command = xtask();
        command.args(["tuf", "verify", "--at", BUILD_TIME, "--trust-root"]).arg(out.join(root));
        run(command.arg(zip)).success();
        let listing = run(xtask().args(["tuf", "list"]).arg(zip)).success();
        for kind in kinds {
            assert!(listing.contains(kind), "{kind}: {listing}");
        }
        assert!(listing.contains("measurement_corpus"), "{listing}");
        let sum = fs::read_to_string(zip.with_extension("zip.sha256.txt")).unwrap();
        assert_eq!(sum.trim_end(), crate::common::digest(zip));
        if let Some(mut python) = verifiers::require("python-tuf") {
            let client = concat!(env!("CARGO_MANIFEST_DIR"), "/../tuf/tests/python_tuf_client.py");
            run(python.arg(client).arg(zip).arg(BUILD_TIME).arg(out.join(root))).success();
        }
    }
    // The gimlet's comes before the cosmo's: readers of this format may know only one.
    let text = run(xtask().args(["tuf", "show"]).arg(&zips[1]).arg("artifacts.json")).success();
    let at = |board: &str| text.find(&format!("oxide-rot-1-staging-devel-{board}")).unwrap();
    assert!(at("gimlet") < at("cosmo"), "{text}");

    // The sample's ROMs are stand-ins, whoever signs.
    let refused = releng(&["--release"], &path("release"));
    refused.expect(2, &["cannot be a release", "the host image are stand-ins"]);
    assert!(!refused.err.contains("throwaway"), "{refused}");
    // An image that is not there, and nothing is left.
    fs::remove_dir_all(path("images")).unwrap();
    fs::create_dir(path("images")).unwrap();
    releng(&[], &path("none")).expect(3, &["manifest-gimlet.toml"]);
    assert!(!path("none").exists());
}
