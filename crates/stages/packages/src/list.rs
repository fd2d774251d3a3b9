//! Which packages there are.

use ips::{Error, Fmri, Packages, State};
use serde::Serialize;

/// The packages that were asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listing {
    /// The packages, in order: of an image by stem; of others by publisher and stem, the newest
    /// version first.
    pub packages: Vec<Listed>,
    /// Whether they are installed.
    pub installed: bool,
}

/// A package in a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// Its name.
    pub fmri: Fmri,
    /// Whether its publisher is the one that need not be named.
    pub preferred: bool,
    /// Three characters: `i` installed; `f` frozen, else `m` asked for by name; `o` obsolete, `r`
    /// renamed, `l` legacy; `-` for none.
    pub flags: String,
}

#[derive(Serialize)]
struct Installed {
    flags: String,
    namepub: String,
    version: String,
}

#[derive(Serialize)]
struct Offered {
    fmri: String,
    publisher: String,
    name: String,
    version: String,
    state: &'static str,
}

/// Lists packages: those that patterns name, or all.
pub fn list(packages: &Packages, patterns: &[String]) -> Result<Listing, Error> {
    let preferred = packages.image().and_then(|image| {
        let order = image.config.property_list("publisher-search-order");
        order.into_iter().next().or(image.config.publishers.first().map(|p| p.name.clone()))
    });
    let mut listed = Vec::new();
    for fmri in packages.select(patterns)? {
        let installed = packages
            .image()
            .and_then(|image| image.packages.iter().find(|package| package.fmri == *fmri));
        let has = |state| installed.is_some_and(|package| package.states.contains(&state));
        let standing = packages.standing(fmri)?;
        let flag = |pairs: &[(bool, char)]| {
            pairs.iter().find(|(is, _)| *is).map_or('-', |(_, letter)| *letter)
        };
        let flags = [
            flag(&[(installed.is_some(), 'i')]),
            flag(&[(has(State::Frozen), 'f'), (has(State::Manual), 'm')]),
            flag(&[
                (standing.obsolete, 'o'),
                (standing.renamed, 'r'),
                (standing.legacy || has(State::Legacy), 'l'),
            ]),
        ];
        listed.push(Listed {
            fmri: fmri.clone(),
            preferred: preferred.is_some() && fmri.publisher == preferred,
            flags: flags.iter().collect(),
        });
    }
    let installed = packages.image().is_some();
    if !installed {
        listed.sort_by(|a, b| {
            let name = |listed: &Listed| (listed.fmri.publisher.clone(), listed.fmri.stem.clone());
            name(a).cmp(&name(b)).then_with(|| b.fmri.version.cmp(&a.fmri.version))
        });
    }
    Ok(Listing { packages: listed, installed })
}

impl Listed {
    fn publisher(&self) -> &str {
        self.fmri.publisher.as_deref().unwrap_or_default()
    }

    /// The version without build and timestamp.
    fn version(&self) -> String {
        let version = self.fmri.version.clone().map(|mut version| {
            version.timestamp = None;
            version.short()
        });
        version.unwrap_or_default()
    }

    fn full_version(&self) -> String {
        self.fmri.version.as_ref().map(ips::Version::short).unwrap_or_default()
    }

    /// The stem, with the publisher where it is not the preferred one.
    fn name(&self) -> String {
        if self.preferred {
            self.fmri.stem.clone()
        } else {
            format!("{} ({})", self.fmri.stem, self.publisher())
        }
    }
}

impl Listing {
    /// As `pkg list` prints it for an image (`verbose`: `pkg list -v`) and `pkgrepo list` for
    /// anything else. One line each, with a line of headings if wanted.
    pub fn table(&self, verbose: bool, headings: bool) -> String {
        let width = self.packages.iter().map(|p| p.publisher().len()).max().unwrap_or(0).max(9);
        let row = |a: &str, b: &str, c: &str, d: &str| match (self.installed, verbose) {
            (true, false) => format!("{a:<49} {b:<26} {c}\n"),
            (_, true) => format!("{a:<76} {b}\n"),
            (false, false) => format!("{a:<width$} {b:<45} {c:1} {d}\n"),
        };
        let mut text = String::new();
        if headings {
            text += &match (self.installed, verbose) {
                (true, false) => row("NAME (PUBLISHER)", "VERSION", "IFO", ""),
                (_, true) => row("FMRI", "IFO", "", ""),
                (false, false) => row("PUBLISHER", "NAME", "O", "VERSION"),
            };
        }
        for package in &self.packages {
            text += &match (self.installed, verbose) {
                (true, false) => row(&package.name(), &package.version(), &package.flags, ""),
                (_, true) => row(&package.fmri.short(), &package.flags, "", ""),
                (false, false) => {
                    let state = package.flags.get(2..).filter(|state| *state != "-");
                    let version = package.full_version();
                    row(package.publisher(), &package.fmri.stem, state.unwrap_or(""), &version)
                }
            };
        }
        text
    }
}

/// A list of objects: for an image with the keys of `pkg list -F json`.
impl Serialize for Listing {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.installed {
            serializer.collect_seq(self.packages.iter().map(|package| Installed {
                flags: package.flags.clone(),
                namepub: package.name(),
                version: package.version(),
            }))
        } else {
            serializer.collect_seq(self.packages.iter().map(|package| Offered {
                fmri: package.fmri.to_string(),
                publisher: package.publisher().to_owned(),
                name: package.fmri.stem.clone(),
                version: package.full_version(),
                state: match package.flags.get(2..) {
                    Some("o") => "obsolete",
                    Some("r") => "renamed",
                    Some("l") => "legacy",
                    _ => "known",
                },
            }))
        }
    }
}
