//! Where the runtime linker of illumos looks for a library.

use proto::ProtoPath;

use elf::{Class, Elf};

/// `EM_X86_64`.
const AMD64: u16 = 62;

/// What `$ISALIST` stands for on x86, best first.
const ISALIST: &[&str] =
    &["amd64", "pentium_pro+mmx", "pentium_pro", "pentium+mmx", "pentium", "i486", "i386", "i86"];

/// The directories to search for a library that `elf`, found at `path`, needs.
pub(crate) fn directories(elf: &Elf, path: &ProtoPath) -> Vec<String> {
    let mut directories = Vec::new();
    for directory in &elf.run_path {
        directories.extend(expand(directory, path));
    }
    if !elf.no_default {
        directories.extend(default_directories(elf.class).iter().map(|&d| d.to_owned()));
    }
    directories
}

/// The directories that are searched without being asked for.
pub(crate) fn default_directories(class: Class) -> &'static [&'static str] {
    if class.wide { &["/lib/64", "/usr/lib/64"] } else { &["/lib", "/usr/lib"] }
}

/// Where the default directories really are, for a proto root that lacks the links `64`.
pub(crate) fn fallback_directories(class: Class) -> &'static [&'static str] {
    if class.wide && class.machine == AMD64 { &["/lib/amd64", "/usr/lib/amd64"] } else { &[] }
}

/// Replaces the linker's tokens; `$ISALIST` gives one text for each instruction set.
pub(crate) fn expand(text: &str, path: &ProtoPath) -> Vec<String> {
    let origin = path.parent().unwrap_or_default();
    let origin = format!("/{}", String::from_utf8_lossy(origin.as_bytes()));
    let simple = [
        ("ORIGIN", origin.as_str()),
        ("OSNAME", "SunOS"),
        ("OSREL", "5.11"),
        ("PLATFORM", "i86pc"),
        ("MACHINE", "i86pc"),
    ];
    let mut text = text.to_owned();
    for (token, value) in simple {
        text = replace(&text, token, value);
    }
    if replace(&text, "ISALIST", "") == text {
        return vec![text];
    }
    ISALIST.iter().map(|isa| replace(&text, "ISALIST", isa)).collect()
}

/// Replaces `$TOKEN` and `${TOKEN}`.
fn replace(text: &str, token: &str, value: &str) -> String {
    text.replace(&format!("${{{token}}}"), value).replace(&format!("${token}"), value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_replaced() {
        let path = ProtoPath::new("opt/x/bin/y").unwrap();
        assert_eq!(expand("$ORIGIN/../lib", &path), ["/opt/x/bin/../lib"]);
        assert_eq!(expand("${ORIGIN}", &path), ["/opt/x/bin"]);
        assert_eq!(expand("/lib/$OSNAME", &path), ["/lib/SunOS"]);
        let isas = expand("/usr/lib/$ISALIST/x", &path);
        assert_eq!(isas.first().map(String::as_str), Some("/usr/lib/amd64/x"));
        assert_eq!(isas.last().map(String::as_str), Some("/usr/lib/i86/x"));
        assert_eq!(isas.len(), ISALIST.len());
    }
}
