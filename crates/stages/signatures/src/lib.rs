//! Signatures of packages: whose they are, and whether they can be believed.
//!
//! A signature action names a certificate, those between it and an authority, an algorithm and a
//! value. What is signed is the text of all actions, each in canonical form with the values of its
//! lists sorted; the lines are sorted; the signature's own line is among them, with an empty value,
//! and other signatures are not.
//!
//! ```text
//! signature SHA1-OF-CERTIFICATE algorithm=rsa-sha256 chain="SHA1 SHA1 ..." value=HEX version=0
//! signature algorithm=sha256 value=HEX version=0               a digest: whole, but nobody's
//! ```
//!
//! [`check`] looks at every signature of a package of an origin. A certificate is believed if it
//! leads, over certificates of authorities, to one of the [`TrustAnchors`]. As pkg(7) does it, a
//! certificate that has expired since still counts, as packages outlive certificates; revocation is
//! not asked for.

mod chain;
mod check;
mod text;
mod trust;

pub use check::{Check, Verdict, check};
pub use trust::TrustAnchors;
