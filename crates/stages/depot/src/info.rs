//! `info/0`: a package for people.

use std::io::Read as _;

use ips::{ActionKind, Error, Fmri, Origin};

/// A license text of more is cut off.
const LICENSE_LIMIT: u64 = 1 << 20;

pub(crate) fn describe(origin: &dyn Origin, fmri: &Fmri) -> Result<String, Error> {
    let manifest = origin.manifest(fmri)?;
    let set = |name: &str| {
        let action = manifest.of_kind(ActionKind::Set).find(|set| set.get("name") == Some(name))?;
        action.get("value")
    };
    let version = fmri.version.as_ref();
    let mut release = version.map(|version| version.release.to_string()).unwrap_or_default();
    if let Some(human) = set("pkg.human-version").filter(|human| *human != release) {
        release = format!("{release} ({human})");
    }
    let sum = |key: &str| -> u64 {
        manifest.actions().filter_map(|action| action.get(key)?.parse::<u64>().ok()).sum()
    };
    let mut text = String::new();
    for (name, value) in [
        ("Name", fmri.stem.clone()),
        ("Summary", set("pkg.summary").unwrap_or_default().to_owned()),
        ("Publisher", fmri.publisher.clone().unwrap_or_default()),
        ("Version", release),
        (
            "Build Release",
            version.and_then(|v| v.build.as_ref()).map(ToString::to_string).unwrap_or_default(),
        ),
        (
            "Branch",
            version.and_then(|v| v.branch.as_ref()).map_or("None".to_owned(), ToString::to_string),
        ),
        (
            "Packaging Date",
            version.and_then(|v| v.timestamp.as_ref()).map(ToString::to_string).unwrap_or_default(),
        ),
        ("Size", size(sum("pkg.size"))),
        ("Compressed Size", size(sum("pkg.csize"))),
        ("FMRI", fmri.long()),
    ] {
        text += &format!("{name:>15}: {value}\n");
    }
    text += "\nLicense:\n";
    let publisher = fmri.publisher.as_deref().unwrap_or_default();
    for license in manifest.of_kind(ActionKind::License) {
        let mut bytes = Vec::new();
        let read = origin
            .payload(publisher, license)
            .is_ok_and(|reader| reader.take(LICENSE_LIMIT).read_to_end(&mut bytes).is_ok());
        // A description without one of its licenses is still one.
        if read {
            text += &String::from_utf8_lossy(&bytes);
            text += "\n";
        }
    }
    Ok(text)
}

fn size(bytes: u64) -> String {
    match bytes {
        0..1024 => format!("{bytes} B"),
        1024..1_048_576 => format!("{:.2} kB", bytes as f64 / 1024.0),
        _ => format!("{:.2} MB", bytes as f64 / 1_048_576.0),
    }
}
