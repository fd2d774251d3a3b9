//! The settings file, `/etc/default/helios-omicron1`.

use std::path::{Path, PathBuf};

use crate::Error;

/// Settings of an installation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Defaults {
    /// `COPY_THREADS`: threads that plan and that make links and copies, 1 to 256.
    pub copy_threads: usize,
    /// `COPY_BATCH`: directory entries that a thread takes at a time, 1 to 65,536.
    pub copy_batch: usize,
}

impl Default for Defaults {
    fn default() -> Defaults {
        Defaults { copy_threads: 8, copy_batch: 128 }
    }
}

impl Defaults {
    /// Where the file lies in the tree that plays `/`.
    pub fn path(system_root: &Path) -> PathBuf {
        system_root.join("etc/default/helios-omicron1")
    }

    /// Reads the file of a system; the defaults, if there is none.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] when it cannot be read, [`Error::Settings`] for the first wrong line.
    pub fn read(system_root: &Path) -> Result<Defaults, Error> {
        let path = Self::path(system_root);
        match std::fs::read(&path) {
            Ok(text) => Self::parse(&text, &path),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => Err(Error::io("read", &path)(error)),
        }
    }

    /// Reads the text of the file at `path`.
    ///
    /// # Errors
    ///
    /// [`Error::Settings`] for the first wrong line: one that is neither blank, a comment nor
    /// `KEY=VALUE` at its very beginning, an unknown or repeated key, or a value out of range.
    pub fn parse(text: &[u8], path: &Path) -> Result<Defaults, Error> {
        let mut defaults = Defaults::default();
        let mut seen: Vec<&str> = Vec::new();
        for (index, line) in text.split(|byte| *byte == b'\n').enumerate() {
            let wrong =
                |message: String| Error::Settings { path: path.into(), line: index + 1, message };
            let line = str::from_utf8(line).map_err(|_| wrong("not UTF-8".into()))?;
            let setting = line.split('#').next().unwrap_or_default().trim_end();
            if setting.is_empty() {
                continue;
            }
            let (key, value) = setting
                .split_once('=')
                .ok_or_else(|| wrong(format!("{setting:?} is not KEY=VALUE")))?;
            let (field, range) = match key {
                "COPY_THREADS" => (&mut defaults.copy_threads, 1..=256),
                "COPY_BATCH" => (&mut defaults.copy_batch, 1..=65_536),
                _ if key.trim() != key => {
                    return Err(wrong(format!("white space around the key {key:?}")));
                }
                _ => {
                    return Err(wrong(format!(
                        "unknown key {key:?}: expected COPY_THREADS or COPY_BATCH"
                    )));
                }
            };
            if seen.contains(&key) {
                return Err(wrong(format!("{key} is set twice")));
            }
            seen.push(key);
            let value = value.trim();
            let is_number = !value.is_empty() && value.bytes().all(|b| b.is_ascii_digit());
            *field = match value.parse() {
                Ok(number) if is_number && range.contains(&number) => number,
                _ => {
                    return Err(wrong(format!(
                        "{key} is {value:?}: expected a whole number from {} to {}",
                        range.start(),
                        range.end()
                    )));
                }
            };
        }
        Ok(defaults)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parse(text: &[u8]) -> Result<Defaults, String> {
        Defaults::parse(text, Path::new("settings")).map_err(|error| error.to_string())
    }

    #[test]
    fn the_packaged_file_has_the_defaults() {
        assert_eq!(parse(include_bytes!("../files/helios-omicron1")), Ok(Defaults::default()));
        assert_eq!(parse(b""), Ok(Defaults::default()));
    }

    #[test]
    fn a_missing_last_newline_loses_nothing() {
        let set = Ok(Defaults { copy_threads: 3, copy_batch: 7 });
        assert_eq!(parse(b"COPY_THREADS=3\nCOPY_BATCH=7"), set);
        assert_eq!(parse(b"# x\n\nCOPY_BATCH= 7 # y\nCOPY_THREADS=3\n"), set);
    }

    #[test]
    fn a_wrong_line_is_named() {
        for (text, message) in [
            (&b"COPY_THREADS=0"[..], "settings:1: COPY_THREADS is \"0\": expected"),
            (b"\nCOPY_THREADS=257", "settings:2: COPY_THREADS is \"257\": expected"),
            (b"COPY_THREADS=", "settings:1: COPY_THREADS is \"\": expected"),
            (b"COPY_THREADS=+1", "settings:1: COPY_THREADS is \"+1\": expected"),
            (b"COPY_BATCH=many", "settings:1: COPY_BATCH is \"many\": expected"),
            (b"COPY_BATCH=99999999999999999999", "settings:1: COPY_BATCH is \"9999"),
            (b" COPY_BATCH=1", "settings:1: white space around the key"),
            (b"COPY_BATCHES=1", "settings:1: unknown key \"COPY_BATCHES\""),
            (b"COPY_BATCH=1\nCOPY_BATCH=1", "settings:2: COPY_BATCH is set twice"),
            (b"COPY_BATCH", "settings:1: \"COPY_BATCH\" is not KEY=VALUE"),
            (b"\xff", "settings:1: not UTF-8"),
        ] {
            match parse(text) {
                Err(found) => assert!(found.starts_with(message), "{found}"),
                Ok(found) => panic!("{text:?}: {found:?}"),
            }
        }
    }

    proptest! {
        #[test]
        fn any_bytes_give_settings_in_range_or_an_error(text in any::<Vec<u8>>()) {
            if let Ok(defaults) = parse(&text) {
                prop_assert!((1..=256).contains(&defaults.copy_threads));
            }
        }
    }
}
