//! What is to be fetched.

use std::fs::File;

use store::Name;
use url::Url;

/// Looks at a complete file, which is at its beginning, and says what is wrong with it.
pub type Check<'a> = dyn Fn(&mut File) -> Result<(), String> + Sync + 'a;

/// Something to be fetched.
pub struct Item<'a> {
    /// Under which name it is stored.
    pub name: Name,
    /// What it is, for people.
    pub what: String,
    /// Where it is, the preferred address first.
    pub urls: Vec<Url>,
    /// How many bytes it has, where that is thought to be known. A transfer whose server does not
    /// say how long it is counts as broken off below this.
    pub size: Option<u64>,
    /// How many bytes it has at most.
    pub limit: u64,
    /// Nothing gets into the store that this refuses.
    pub check: &'a Check<'a>,
}
