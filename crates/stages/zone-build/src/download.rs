//! What omicron downloads before it builds packages: files below `out/` that manifests name as if
//! they were part of the source.
//!
//! Versions and digests are in omicron's `tools/`; where things are published and what becomes of
//! them is only said in the program that downloads them, so it is a table here.

use proto::{Digest, ProtoPath};

use crate::Error;
use crate::pins::Pins;

/// Where buildomat publishes.
pub(crate) const BUILDOMAT: &str = "https://buildomat.eng.oxide.computer/public/file";

/// Something that is downloaded.
#[derive(Debug)]
pub(crate) struct Download {
    /// Its pair of files in `tools/`.
    pub(crate) name: &'static str,
    /// Its address; `{version}` stands for what the pair says.
    url: &'static str,
    pub(crate) form: Form,
    /// What of it is found where in the source: paths there, and in the archive.
    places: &'static [(&'static str, &'static str)],
}

/// What is downloaded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// A compressed tar.
    Tar,
    /// One program, compressed; it becomes the path `program`.
    Program,
}

const DOWNLOADS: [Download; 4] = [
    Download {
        name: "clickhouse",
        url: "https://oxide-clickhouse-build.s3.us-west-2.amazonaws.com/clickhouse-{version}.illumos.tar.gz",
        form: Form::Tar,
        places: &[("out/clickhouse", "")],
    },
    Download {
        name: "cockroachdb",
        url: "https://buildomat.eng.oxide.computer/public/file/oxidecomputer/cockroach/illumos-amd64/{version}/cockroach.tgz",
        form: Form::Tar,
        places: &[
            ("out/cockroachdb/bin/cockroach", "cockroach/cockroach"),
            ("out/downloads/cockroach", "cockroach"),
        ],
    },
    Download {
        name: "console",
        url: "https://dl.oxide.computer/releases/console/{version}.tar.gz",
        form: Form::Tar,
        places: &[("out/console-assets", "")],
    },
    Download {
        name: "transceiver_control",
        url: "https://buildomat.eng.oxide.computer/public/file/oxidecomputer/transceiver-control/bins/{version}/xcvradm.gz",
        form: Form::Program,
        places: &[("out/transceiver-control/root/opt/oxide/bin/xcvradm", "program")],
    },
];

/// A path of the source that is downloaded.
#[derive(Debug)]
pub(crate) struct Match {
    pub(crate) download: &'static Download,
    /// Paths in the archive, and where below the asked path they belong.
    pub(crate) maps: Vec<(ProtoPath, ProtoPath)>,
}

/// Which download has a path of the source, if any.
pub(crate) fn find(from: &str) -> Option<Match> {
    let from = ProtoPath::new(from).ok().filter(|_| !from.starts_with('/'))?;
    if from.components().count() < 2 {
        return None;
    }
    static ALL: [Download; 4] = DOWNLOADS;
    ALL.iter().find_map(|download| {
        let maps: Vec<_> = download.places.iter().filter_map(|place| map(&from, *place)).collect();
        (!maps.is_empty()).then_some(Match { download, maps })
    })
}

fn map(from: &ProtoPath, (place, archive): (&str, &str)) -> Option<(ProtoPath, ProtoPath)> {
    let place = ProtoPath::new(place).ok()?;
    let archive = ProtoPath::new(archive).ok()?;
    if place.starts_with(from) {
        return Some((archive, below(&place, from)?));
    }
    let rest = below(from, &place)?;
    let archive = if rest.is_root() { archive } else { archive.join(rest.as_bytes()).ok()? };
    Some((archive, ProtoPath::root()))
}

/// The part of a path below a directory.
pub(crate) fn below(path: &ProtoPath, directory: &ProtoPath) -> Option<ProtoPath> {
    if !path.starts_with(directory) {
        return None;
    }
    ProtoPath::new(&path.as_bytes()[directory.as_bytes().len()..]).ok()
}

impl Download {
    /// Its address and digest, if they are pinned.
    pub(crate) fn pinned(&self, pins: &Pins) -> Result<Option<(String, Digest)>, Error> {
        let Some(pin) = pins.find(&[self.name])? else { return Ok(None) };
        let Some((version, digest)) = pin.version.zip(pin.digest) else { return Ok(None) };
        Ok(Some((self.url.replace("{version}", &version), digest)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn maps(from: &str) -> Option<(&'static str, Vec<(String, String)>)> {
        let text = |path: &ProtoPath| path.as_str().unwrap().to_owned();
        let found = find(from)?;
        let maps = found.maps.iter().map(|(a, b)| (text(a), text(b))).collect();
        Some((found.download.name, maps))
    }

    #[test]
    fn paths_of_the_source_are_found_in_archives() {
        let pair = |a: &str, b: &str| (a.to_owned(), b.to_owned());
        assert_eq!(maps("out/clickhouse"), Some(("clickhouse", vec![pair("", "")])));
        assert_eq!(maps("out/clickhouse/a/b"), Some(("clickhouse", vec![pair("a/b", "")])));
        assert_eq!(
            maps("out/cockroachdb"),
            Some(("cockroachdb", vec![pair("cockroach/cockroach", "bin/cockroach")]))
        );
        assert_eq!(
            maps("out/downloads/cockroach/cockroach-sql"),
            Some(("cockroachdb", vec![pair("cockroach/cockroach-sql", "")]))
        );
        for other in ["out/clickhouse2", "smf/nexus", "out", "/out/clickhouse", "../out/clickhouse"]
        {
            assert_eq!(maps(other), None, "{other}");
        }
    }
}
