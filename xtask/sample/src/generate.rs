//! Package files that are made instead of kept.

use std::fs;
use std::path::Path;

use crate::Error;
use crate::text::{Dice, word};

/// The manual: section, name, one line.
const PAGES: [(&str, &str, &str); 24] = [
    ("1", "cat", "print files"),
    ("1", "gzip", "compress files"),
    ("1", "ls", "list directories"),
    ("1", "mv", "rename files"),
    ("1", "openssl", "cryptography"),
    ("1", "sh", "the shell"),
    ("1", "svcs", "list services"),
    ("1", "vim", "edit texts"),
    ("1", "zlogin", "enter a zone"),
    ("4", "zfs", "the file system"),
    ("5", "passwd", "the accounts"),
    ("5", "shadow", "the passwords"),
    ("5", "system", "settings of the kernel"),
    ("7", "facets", "optional parts of packages"),
    ("7", "sample", "the sample system"),
    ("7", "zones", "systems in a system"),
    ("8", "chronyd", "keep the time"),
    ("8", "ipadm", "configure addresses"),
    ("8", "svcadm", "enable and disable services"),
    ("8", "svccfg", "change service settings"),
    ("8", "zfs", "manage file systems"),
    ("8", "zoneadm", "install and boot zones"),
    ("8", "zonecfg", "configure zones"),
    ("8", "zpool", "manage pools"),
];

/// Writes the files that `package_files` lacks into a directory, the same bytes each time.
pub fn generate(directory: &Path) -> Result<(), Error> {
    let write = |path: &str, bytes: Vec<u8>| {
        let path = directory.join(path);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).map_err(Error::io("create", parent))?;
        }
        fs::write(&path, bytes).map_err(Error::io("write", &path))
    };
    write("usr/share/lib/dict/words", words(40_000))?;
    write("usr/share/hwdata/pci.ids", hardware(6_000))?;
    write("platform/oxide/ucode/sample.bin", Dice::new(7).bytes(256 * 1024))?;
    for (locale, seed) in [("en_US", 3), ("de_DE", 4)] {
        let path = format!("usr/lib/locale/{locale}.UTF-8/LC_MESSAGES/messages");
        write(&path, messages(locale, seed))?;
    }
    for seed in ["global", "nonglobal"] {
        write(&format!("lib/svc/seed/{seed}.db"), repository(seed))?;
    }
    for (section, name, line) in PAGES {
        write(&format!("usr/share/man/man{section}/{name}.{section}"), page(section, name, line))?;
    }
    Ok(())
}

fn words(count: usize) -> Vec<u8> {
    let mut dice = Dice::new(1);
    let mut words: Vec<String> = (0..count).map(|_| word(&mut dice)).collect();
    words.sort();
    words.dedup();
    (words.join("\n") + "\n").into_bytes()
}

fn hardware(count: u32) -> Vec<u8> {
    let mut dice = Dice::new(2);
    let mut text = String::from("# Vendors and devices of the sample. None of them exists.\n");
    for number in 0..count {
        if number % 30 == 0 {
            text.push_str(&format!("{:04x}  {} devices\n", number / 30, word(&mut dice)));
        }
        text.push_str(&format!("\t{:04x}  {} {}\n", number % 30, word(&mut dice), dice.below(100)));
    }
    text.into_bytes()
}

fn messages(locale: &str, seed: u64) -> Vec<u8> {
    let mut dice = Dice::new(seed);
    let mut text = format!("# Messages in {locale}, invented.\n");
    for number in 0..1_500 {
        let (first, second) = (word(&mut dice), word(&mut dice));
        text.push_str(&format!("{number} {first} {second}\n"));
    }
    text.into_bytes()
}

/// A stand-in for a service repository. The real one is a database that svccfg(8) makes.
fn repository(seed: &str) -> Vec<u8> {
    let mut text = format!(
        "This is a text in place of the {seed} seed of the service repository.\n\
         It belongs to the sample system; no svc.configd can read it.\n"
    );
    let mut dice = Dice::new(seed.len() as u64);
    for number in 0..4_000 {
        text.push_str(&format!("{number} {}/{}\n", word(&mut dice), word(&mut dice)));
    }
    text.into_bytes()
}

fn page(section: &str, name: &str, line: &str) -> Vec<u8> {
    format!(
        ".Dd January 1, 2026\n.Dt {title} {section}\n.Os\n.Sh NAME\n.Nm {name}\n.Nd {line}\n\
         .Sh DESCRIPTION\nThis page belongs to the sample system, in which\n.Nm\nis a stand-in \
         that does nothing.\n",
        title = name.to_uppercase(),
    )
    .into_bytes()
}
