//! Signing keys.

use std::fmt;
use std::path::{Path, PathBuf};

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, Ed25519KeyPair, RsaKeyPair,
};
use tough::sign::{Sign, SignKeyPair};

use crate::Error;

/// Key files are small; anything larger was given by mistake.
const FILE_LIMIT: u64 = 64 << 10;

const ACCEPTED: &str = "a signing key is Ed25519, ECDSA P-256 or RSA in PKCS#8, PEM or DER, as \
                        `openssl genpkey -algorithm ed25519` writes it";

/// A key that signs metadata.
///
/// It is a name and a signer; the signer may be anything that implements `tough`'s trait, so keys
/// on hardware or behind a network fit as well.
pub struct Key {
    name: String,
    signer: Box<dyn Sign>,
    throwaway: bool,
}

impl Key {
    /// A fresh Ed25519 key that exists only as long as this value.
    ///
    /// # Errors
    ///
    /// When the system has no randomness to give.
    pub fn throwaway() -> Result<Self, Error> {
        let pair = Ed25519KeyPair::generate().map_err(|_| Error::Sign {
            role: "with a throwaway key".to_owned(),
            problem: "the system's random number generator failed".to_owned(),
        })?;
        let signer = Box::new(SignKeyPair::ED25519(pair));
        Ok(Self { name: "a throwaway key".to_owned(), signer, throwaway: true })
    }

    /// Reads a private key: Ed25519, ECDSA P-256 or RSA (for PSS) in PKCS#8, as PEM or DER.
    ///
    /// # Errors
    ///
    /// When the file cannot be read, holds anything besides one such key, or the key is encrypted.
    pub fn from_file(path: impl AsRef<Path>) -> Result<Self, Error> {
        let path = path.as_ref();
        let metadata = std::fs::metadata(path).map_err(Error::io("read the key", path))?;
        let refuse = |problem: String| Error::Key { path: path.to_owned(), problem };
        if !metadata.is_file() {
            return Err(refuse("is no file".to_owned()));
        }
        if metadata.len() > FILE_LIMIT {
            return Err(refuse(format!("is {} bytes long; {ACCEPTED}", metadata.len())));
        }
        let bytes = std::fs::read(path).map_err(Error::io("read the key", path))?;
        let signer = parse(&bytes).map_err(refuse)?;
        Ok(Self { name: path.display().to_string(), signer: Box::new(signer), throwaway: false })
    }

    /// A key held by somebody else: a token, a service.
    pub fn from_signer(name: impl Into<String>, signer: Box<dyn Sign>) -> Self {
        Self { name: name.into(), signer, throwaway: false }
    }

    /// Whether this key goes away with the process.
    pub fn is_throwaway(&self) -> bool {
        self.throwaway
    }

    /// The public key as metadata holds it.
    pub(crate) fn public(&self) -> tough::schema::key::Key {
        self.signer.tuf_key()
    }

    /// Signs, and waits for the signature.
    pub(crate) fn sign(&self, role: &str, message: &[u8]) -> Result<Vec<u8>, Error> {
        let failed = |problem: String| Error::Sign { role: role.to_owned(), problem };
        wait(self.signer.sign(message, &SystemRandom::new()))
            .map_err(|error| failed(format!("no runtime: {error}")))?
            .map_err(|error| failed(format!("{} answered: {error}", self.name)))
    }

    /// The file a key came from, for messages.
    pub(crate) fn origin(&self) -> PathBuf {
        self.name.clone().into()
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Key").field("name", &self.name).field("throwaway", &self.throwaway).finish()
    }
}

/// Runs a future to its end on a runtime of its own, on a thread of its own: the caller may itself
/// be inside a runtime, where blocking on a second one is forbidden.
fn wait<F>(future: F) -> std::io::Result<F::Output>
where
    F: Future + Send,
    F::Output: Send,
{
    std::thread::scope(|scope| {
        let worker =
            std::thread::Builder::new().name("signing".to_owned()).spawn_scoped(scope, || {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
                Ok(runtime.block_on(future))
            })?;
        worker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

fn parse(bytes: &[u8]) -> Result<SignKeyPair, String> {
    if bytes.is_empty() {
        return Err(format!("is empty; {ACCEPTED}"));
    }
    if bytes.trim_ascii_start().starts_with(b"-----BEGIN ") {
        from_pem(bytes)
    } else {
        from_der(bytes)
    }
}

fn from_pem(bytes: &[u8]) -> Result<SignKeyPair, String> {
    let text = std::str::from_utf8(bytes)
        .map_err(|_| format!("is PEM with other bytes in it; {ACCEPTED}"))?;
    let text = text.trim();
    let blocks =
        pem::parse_many(text).map_err(|error| format!("is damaged PEM ({error}); {ACCEPTED}"))?;
    let [block] = &blocks[..] else {
        return Err(format!("holds {} PEM blocks; give one key per file", blocks.len()));
    };
    let end = format!("-----END {}-----", block.tag());
    if text.find(&end).map(|at| at + end.len()) != Some(text.len()) {
        return Err("has text after its PEM block; a key file holds nothing but the key".to_owned());
    }
    match block.tag() {
        "PRIVATE KEY" | "EC PRIVATE KEY" | "RSA PRIVATE KEY" => from_der(block.contents()),
        "ENCRYPTED PRIVATE KEY" => {
            Err("is encrypted; decrypt it first with `openssl pkey -in FILE -out PLAIN`".to_owned())
        }
        "PUBLIC KEY" => Err("is a public key; signing needs the private key".to_owned()),
        other => Err(format!("is PEM of a {other}; {ACCEPTED}")),
    }
}

fn from_der(der: &[u8]) -> Result<SignKeyPair, String> {
    match der_length(der) {
        Some(length) if length < der.len() => {
            return Err(format!(
                "has {} bytes after the key; a key file holds nothing but the key",
                der.len() - length
            ));
        }
        Some(length) if length > der.len() => {
            return Err(format!("is cut off: {} of {length} bytes are there", der.len()));
        }
        Some(_) => {}
        None => return Err(format!("is neither PEM nor DER; {ACCEPTED}")),
    }
    if let Ok(pair) = Ed25519KeyPair::from_pkcs8(der) {
        return Ok(SignKeyPair::ED25519(pair));
    }
    // `openssl genpkey -outform DER` writes the older forms of EC and RSA keys, without PKCS#8.
    let ecdsa = &ECDSA_P256_SHA256_ASN1_SIGNING;
    if let Ok(pair) = EcdsaKeyPair::from_pkcs8(ecdsa, der)
        .or_else(|_| EcdsaKeyPair::from_private_key_der(ecdsa, der))
    {
        return Ok(SignKeyPair::ECDSA(pair));
    }
    if let Ok(pair) = RsaKeyPair::from_pkcs8(der).or_else(|_| RsaKeyPair::from_der(der)) {
        return match pair.public_modulus_len() {
            256.. => Ok(SignKeyPair::RSA(pair)),
            short => Err(format!("is an RSA key of {} bits; 2048 are the least", short * 8)),
        };
    }
    Err(format!("holds no key that can be used here; {ACCEPTED}"))
}

/// The length that a DER sequence gives for itself, header included.
fn der_length(der: &[u8]) -> Option<usize> {
    match der {
        [0x30, short @ 0..=0x7f, ..] => Some(2 + usize::from(*short)),
        [0x30, 0x81, length, ..] => Some(3 + usize::from(*length)),
        [0x30, 0x82, high, low, ..] => Some(4 + usize::from(u16::from_be_bytes([*high, *low]))),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(bytes: &[u8]) -> String {
        match parse(bytes) {
            Ok(_) => panic!("accepted"),
            Err(problem) => problem,
        }
    }

    #[test]
    fn ed25519_as_openssl_writes_it() {
        // PKCS#8 version 1: the seed only. This one is all sevens.
        let mut der = vec![0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20];
        der.extend([7; 32]);
        assert!(matches!(parse(&der), Ok(SignKeyPair::ED25519(_))));
        let text = pem::encode(&pem::Pem::new("PRIVATE KEY", der.clone()));
        assert!(matches!(parse(text.as_bytes()), Ok(SignKeyPair::ED25519(_))));

        let twice = format!("{text}{text}");
        assert!(refusal(twice.as_bytes()).contains("2 PEM blocks"));
        assert!(refusal(format!("{text}garbage").as_bytes()).contains("text after"));
        let public = text.replace("PRIVATE", "PUBLIC");
        assert!(refusal(public.as_bytes()).contains("public key"));
        let encrypted = text.replace("PRIVATE", "ENCRYPTED PRIVATE");
        assert!(refusal(encrypted.as_bytes()).contains("openssl pkey"));
        assert!(refusal(&der[..40]).contains("cut off"));
        der.push(0);
        assert!(refusal(&der).contains("1 bytes after"));
        assert!(refusal(b"").contains("empty"));
        assert!(refusal(b"hello").contains("neither PEM nor DER"));
        assert!(refusal(b"\x30\x03\x02\x01\x00").contains("no key"));
    }

    #[test]
    fn signing_works_inside_a_runtime() {
        let key = Key::throwaway().unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let signature = runtime.block_on(async { key.sign("x", b"message") }).unwrap();
        assert_eq!(signature.len(), 64);
    }
}
