//! A footprint as text.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::Footprint;
use crate::budget::mebibytes;

/// How many rows a table has before the rest is summed up.
const ROWS: usize = 20;

impl Footprint {
    /// The tables that people read: the image, then packages, directories and zones, the largest
    /// first.
    pub fn table(&self) -> String {
        let pool = &self.pool;
        let mut text = String::new();
        let mut line = |bytes: u64, what: &str| {
            // Writing to a String cannot fail.
            let _ = writeln!(text, "{:>12}  {what}", mebibytes(bytes));
        };
        line(pool.size, "the image, which a ramdisk keeps in memory as a whole");
        line(self.contents(), "  contents");
        line(self.metadata, "  metadata: dnodes, space maps, the pool's own objects");
        line(pool.size.saturating_sub(pool.allocated), "  free");
        line(pool.available, "    headroom: can be written after import");
        let kept = pool.size.saturating_sub(pool.allocated).saturating_sub(pool.available);
        line(kept, "    kept: labels, and what ZFS does not let go");
        line(pool.smallest, "the smallest image that holds the same");
        let mut packages = self.packages.clone();
        let packaged: u64 = packages.values().sum();
        if packaged < self.contents() {
            packages.insert("(no package)".to_owned(), self.contents() - packaged);
        }
        section(&mut text, "package", &packages, self.contents());
        section(&mut text, "directory", &self.directories, self.contents());
        section(&mut text, "zone", &self.zones, self.contents());
        text
    }
}

fn section(text: &mut String, word: &str, parts: &BTreeMap<String, u64>, all: u64) {
    if parts.is_empty() {
        return;
    }
    let _ = writeln!(text, "\nby {word}");
    let mut sorted: Vec<_> = parts.iter().map(|(name, &bytes)| (bytes, name.as_str())).collect();
    sorted.sort_by_key(|&(bytes, name)| (std::cmp::Reverse(bytes), name));
    let rest = sorted.split_off(sorted.len().min(ROWS));
    let mut line = |bytes: u64, name: &str| {
        let percent = bytes as f64 * 100.0 / all.max(1) as f64;
        let _ = writeln!(text, "{:>12} {percent:>5.1} %  {name}", mebibytes(bytes));
    };
    for (bytes, name) in sorted {
        line(bytes, name);
    }
    if !rest.is_empty() {
        line(rest.iter().map(|(bytes, _)| bytes).sum(), &format!("({} more)", rest.len()));
    }
}
