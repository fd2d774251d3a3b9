//! Hubris build archives and measurement documents: just enough to know what they are.
//!
//! Firmware for service processors and roots of trust comes as *build archives*: zips whose
//! comment says `hubris build archive v0`, with the firmware in `img/final.elf`. Inside the firmware
//! sits a *caboose*, a list of tagged texts that names board, version and signer. [`Archive`] reads
//! an archive, [`Caboose`] the texts.
//!
//! Reference measurements come as CoRIM documents (CBOR); [`Corim`] reads identity and version.
//!
//! ```
//! let bytes = hubris::Fake { image_name: Some("default"), ..hubris::Fake::new("SimGimletSp", "1.2.3") }.archive();
//! let archive = hubris::Archive::read(std::io::Cursor::new(bytes))?;
//! assert_eq!(archive.caboose.board()?, "SimGimletSp");
//! assert_eq!(archive.caboose.version()?, "1.2.3");
//! # Ok::<(), hubris::Error>(())
//! ```
//!
//! Everything here takes bytes from strangers: sizes are bounded before memory is taken, and every
//! refusal is an [`Error`] that says what was expected.
//!
//! Sources of the formats: Oxide's `hubtools` (archive, caboose), `tlvc` (the chunks of the
//! caboose), the IETF draft "Concise Reference Integrity Manifest" (CoRIM, CoMID).

mod archive;
mod caboose;
mod corim;
mod error;
mod fake;
mod image;

pub use archive::{Archive, ImageName};
pub use caboose::Caboose;
pub use corim::Corim;
pub use error::Error;
pub use fake::{Fake, fake_corim, fake_corim_of};
