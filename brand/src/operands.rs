//! Options and operands of `install`, as they come through zoneadm.
//!
//! zoneadm hands none of them on as they were written: it takes options apart with getopt(3C) by
//! `installopts` of `config.xml`, and puts them together again as a letter with the argument right
//! behind it. A long option reaches the hook as its letter, and one that is not in `installopts` as
//! two dashes. `verify_adm` is given the words as they were written, zoneadm's own among them.

use std::ffi::OsString;
use std::path::PathBuf;

use proto::Digest;

use crate::Error;

/// A zone image to unpack.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layer {
    /// Where it is.
    pub path: PathBuf,
    /// The SHA-256 that the file must have.
    pub sha256: Option<Digest>,
}

/// What an installation is asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Operands {
    /// Whether the results are printed as JSON.
    pub json: bool,
    /// Zone images, in the order of unpacking.
    pub layers: Vec<Layer>,
}

impl Operands {
    /// Reads the words behind `install`.
    ///
    /// # Errors
    ///
    /// [`Error::Usage`] for an option that is not known, for a digest that is none, and if there
    /// are not as many digests as layers.
    pub fn parse(words: impl IntoIterator<Item = OsString>) -> Result<Self, Error> {
        let mut words = words.into_iter();
        let mut json = false;
        let mut digests = Vec::new();
        let mut paths: Vec<PathBuf> = Vec::new();
        while let Some(word) = words.next() {
            // What is no text is no option.
            match word.to_str().unwrap_or_default() {
                "--" => break,
                "-j" | "--json" => json = true,
                option @ ("-d" | "--sha256") => {
                    let value =
                        words.next().ok_or_else(|| usage(format!("{option} needs a value")))?;
                    digests.push(digest(&value.to_string_lossy())?);
                }
                option if option.starts_with('-') => {
                    let glued =
                        ["--sha256=", "-d"].iter().find_map(|name| option.strip_prefix(name));
                    let unknown = || usage(format!("install does not know the option {word:?}"));
                    digests.push(digest(glued.ok_or_else(unknown)?)?);
                }
                _ => {
                    paths.push(word.into());
                    break;
                }
            }
        }
        paths.extend(words.map(PathBuf::from));
        if !digests.is_empty() && digests.len() != paths.len() {
            let (digests, layers) = (digests.len(), paths.len());
            return Err(usage(format!(
                "{digests} digests for {layers} layers: give --sha256 once for each layer, in the \
                 order of the layers, or not at all"
            )));
        }
        let mut digests = digests.into_iter();
        let layers = paths.into_iter().map(|path| Layer { path, sha256: digests.next() }).collect();
        Ok(Self { json, layers })
    }

    /// Reads the words that `verify_adm` is given of an installation. zoneadm's own option `-x` is
    /// left out, which the hook does not get to see.
    ///
    /// # Errors
    ///
    /// As [`Operands::parse`].
    pub fn parse_of_zoneadm(words: &[OsString]) -> Result<Self, Error> {
        let mut words = words.iter().peekable();
        let mut rest = Vec::new();
        while let Some(word) = words.next() {
            if word == "-x" {
                words.next();
            } else if !word.as_encoded_bytes().starts_with(b"-x") {
                rest.push(word.clone());
            }
        }
        Self::parse(rest)
    }
}

fn usage(message: String) -> Error {
    Error::Usage { message }
}

fn digest(text: &str) -> Result<Digest, Error> {
    text.parse()
        .map_err(|_| usage(format!("{text:?} is not the SHA-256 of a layer in hexadecimal")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Vec<OsString> {
        line.split_whitespace().map(OsString::from).collect()
    }

    fn parse(line: &str) -> Result<Operands, String> {
        let line = line.replace("AA", &"a".repeat(64)).replace("BB", &"b".repeat(64));
        Operands::parse(words(&line)).map_err(|error| error.to_string())
    }

    fn layers(pins: &[(&str, char)]) -> Vec<Layer> {
        let layer = |(path, digit): &(&str, char)| Layer {
            path: path.into(),
            sha256: digit.to_string().repeat(64).parse().ok(),
        };
        pins.iter().map(layer).collect()
    }

    #[test]
    fn options_as_people_and_as_zoneadm_write_them() {
        let expected = Operands { json: true, layers: layers(&[("/x", 'a'), ("/y", 'b')]) };
        for line in [
            "--json --sha256 AA --sha256 BB /x /y",
            "-j -dAA -dBB /x /y",
            "-d AA -j --sha256=BB -- /x /y",
        ] {
            assert_eq!(parse(line), Ok(expected.clone()), "{line}");
        }
        let plain = Operands { json: false, layers: layers(&[("/x", '-'), ("-j", '-')]) };
        assert_eq!(parse("/x -j"), Ok(plain));
        assert_eq!(parse(""), Ok(Operands::default()));
    }

    #[test]
    fn wrong_options_and_digests_are_refused() {
        for (line, message) in [
            ("-q /x", "does not know the option \"-q\""),
            ("--jsonx /x", "does not know"),
            ("-d", "-d needs a value"),
            ("-dabc /x", "\"abc\" is not the SHA-256"),
            ("-d /x", "\"/x\" is not the SHA-256"),
            ("-dAA /x /y", "1 digests for 2 layers"),
            ("-dAA", "1 digests for 0 layers"),
            ("-dAA -dBB /x", "2 digests for 1 layers"),
        ] {
            assert!(parse(line).is_err_and(|error| error.contains(message)), "{line}");
        }
    }

    #[test]
    fn options_of_zoneadm_itself_are_left_out() {
        for line in ["-x nodataset --json /x", "-xnodataset -j /x"] {
            let found = Operands::parse_of_zoneadm(&words(line)).map_err(|error| error.to_string());
            assert_eq!(
                found,
                Ok(Operands { json: true, layers: layers(&[("/x", '-')]) }),
                "{line}"
            );
        }
    }
}
