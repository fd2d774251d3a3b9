//! What a package is.

use std::fmt;

use ips::{ActionKind, Error, Fmri, Packages};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::Serialize;

/// The description of a package.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Info {
    /// Its name with publisher and version.
    #[serde(serialize_with = "as_text")]
    pub fmri: Fmri,
    /// `pkg.summary`.
    pub summary: Option<String>,
    /// `pkg.description`, where it says more than the summary.
    pub description: Option<String>,
    /// `info.classification`, without the scheme.
    pub categories: Vec<String>,
    /// `pkg.human-version`.
    pub human_version: Option<String>,
    /// Whether it is installed.
    pub installed: bool,
    /// Whether it was asked for by name.
    pub manual: bool,
    /// Whether it is obsolete.
    pub obsolete: bool,
    /// Whether it was renamed.
    pub renamed: bool,
    /// What a renamed package became.
    pub renamed_to: Vec<String>,
    /// When it was installed, as the image says it.
    pub last_install: Option<String>,
    /// The size of its files in bytes; of an image, of those that it takes.
    pub size: u64,
    /// The licences it delivers.
    pub licenses: Vec<String>,
    /// The algorithms of its signatures. Whether they are right is not said here.
    pub signatures: Vec<String>,
}

fn as_text<S: serde::Serializer>(fmri: &Fmri, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(fmri)
}

/// Describes packages: those that patterns name, or all.
pub fn info(packages: &Packages, patterns: &[String]) -> Result<Vec<Info>, Error> {
    let selected = packages.select(patterns)?;
    packages.prefetch(&selected);
    selected.into_iter().map(|fmri| describe(packages, fmri)).collect()
}

fn describe(packages: &Packages, fmri: &Fmri) -> Result<Info, Error> {
    let manifest = packages.manifest(fmri)?;
    let installed =
        packages.image().and_then(|image| image.packages.iter().find(|p| p.fmri == *fmri));
    let allowed = |action: &&ips::Action| packages.image().is_none_or(|image| image.allows(action));
    let text = |name: &str| manifest.value(name).map(str::to_owned);
    let summary = text("pkg.summary");
    let became = |action: &&ips::Action| action.get("type") == Some("require");
    let renamed = manifest.is_renamed();
    Ok(Info {
        description: text("pkg.description").filter(|text| Some(text) != summary.as_ref()),
        summary,
        categories: manifest
            .values("info.classification")
            .iter()
            .map(|value| value.rsplit_once(':').map_or(&value[..], |(_, name)| name).to_owned())
            .collect(),
        human_version: text("pkg.human-version"),
        installed: installed.is_some(),
        manual: installed.is_some_and(ips::InstalledPackage::is_manual),
        obsolete: manifest.is_obsolete(),
        renamed,
        renamed_to: manifest
            .of_kind(ActionKind::Depend)
            .filter(became)
            .filter(|_| renamed)
            .flat_map(|action| action.attributes.list("fmri").to_vec())
            .collect(),
        last_install: installed.and_then(|package| package.last_install.clone()),
        size: manifest
            .of_kind(ActionKind::File)
            .filter(allowed)
            .filter_map(|action| action.get("pkg.size")?.parse::<u64>().ok())
            .fold(0, u64::saturating_add),
        licenses: manifest
            .of_kind(ActionKind::License)
            .filter_map(|action| action.get("license").map(str::to_owned))
            .collect(),
        signatures: manifest
            .of_kind(ActionKind::Signature)
            .map(|action| action.get("algorithm").unwrap_or("unknown").to_owned())
            .collect(),
        fmri: fmri.clone(),
    })
}

/// As `pkg info` prints it.
impl fmt::Display for Info {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Labels end where the longest of them does.
        let last_install = self.last_install.as_deref().and_then(instant);
        let width = if last_install.is_some() { 17 } else { 14 };
        let mut line = |name: &str, value: &str| {
            // Further lines of a text stand below its first.
            let value = value.replace('\n', &format!("\n{:1$}", "", width + 2));
            writeln!(f, "{name:>width$}: {value}")
        };
        line("Name", &self.fmri.stem)?;
        line("Summary", self.summary.as_deref().unwrap_or_default())?;
        if let Some(description) = &self.description {
            line("Description", description)?;
        }
        if !self.categories.is_empty() {
            line("Category", &self.categories.join("\n"))?;
        }
        let mut state = String::from(if self.installed { "Installed" } else { "Not installed" });
        if self.manual {
            state += " (Manually installed)";
        }
        if self.obsolete {
            state += " (Obsolete)";
        }
        if self.renamed {
            state += " (Renamed)";
        }
        line("State", &state)?;
        if !self.renamed_to.is_empty() {
            line("Renamed to", &self.renamed_to.join("\n"))?;
        }
        line("Publisher", self.fmri.publisher.as_deref().unwrap_or_default())?;
        if let Some(version) = &self.fmri.version {
            let release = version.release.to_string();
            line(
                "Version",
                &match &self.human_version {
                    Some(human) => format!("{release} ({human})"),
                    None => release,
                },
            )?;
            if let Some(branch) = &version.branch {
                line("Branch", &branch.to_string())?;
            }
            if let Some(time) = version.timestamp {
                line("Packaging Date", &date(time.epoch()))?;
            }
        }
        if let Some(time) = last_install {
            line("Last Install Time", &date(time))?;
        }
        line("Size", &size(self.size))?;
        if !self.licenses.is_empty() {
            line("Licenses", &self.licenses.join("\n"))?;
        }
        if !self.signatures.is_empty() {
            line("Signatures", &self.signatures.join("\n"))?;
        }
        line("FMRI", &self.fmri.short())
    }
}

/// `YYYYMMDDThhmmss[.ffffff]Z` as seconds since 1970.
fn instant(text: &str) -> Option<i64> {
    let seconds = text.get(..15)?;
    format!("{seconds}Z").parse::<ips::Timestamp>().ok().map(ips::Timestamp::epoch)
}

fn date(seconds: i64) -> String {
    Timestamp::from_second(seconds).map_or_else(
        |_| seconds.to_string(),
        |time| time.to_zoned(TimeZone::UTC).strftime("%B %d, %Y at %I:%M:%S %p").to_string(),
    )
}

fn size(bytes: u64) -> String {
    let mut value = bytes as f64;
    for unit in ["B", "kB", "MB", "GB"] {
        if value < 1024.0 {
            return format!("{value:.2} {unit}");
        }
        value /= 1024.0;
    }
    format!("{value:.2} TB")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_for_people() {
        assert_eq!(size(0), "0.00 B");
        assert_eq!(size(1536), "1.50 kB");
        assert_eq!(size(5 << 40), "5.00 TB");
        assert_eq!(date(0), "January 01, 1970 at 12:00:00 AM");
        assert_eq!(instant("19700102T000000.123Z"), Some(86400));
        assert_eq!(instant("1970"), None);
    }
}
