//! Dependencies of packages, found in their files, as pkgdepend(1) finds them.
//!
//! [`generate()`] reads the files that a manifest delivers (ELF, scripts, service manifests, hard
//! links) and says what each needs: `depend fmri=__TBD` with `pkg.debug.depend.*` attributes.
//! [`resolve()`] replaces `__TBD` by the packages that deliver it: packages that are resolved at
//! the same time, else packages that are there already. Both give *findings* besides: a file that
//! is missing, a token that nothing expands, something that nobody delivers. A finding is no error.
//!
//! Variants are respected: a need that only some images have becomes a dependency of only those.
//!
//! Python modules are not looked at: a script gets its interpreter and no more.

mod combinations;
mod elf_needs;
mod error;
mod finding;
mod generate;
mod links;
mod need;
mod resolve;
mod service_needs;

pub use error::Error;
pub use finding::{Finding, Severity};
pub use generate::{GenerateOptions, Generated, generate};
pub use resolve::{Resolved, resolve};
