//! Real images: where their bytes go, and whether they fit.

#![expect(clippy::unwrap_used, reason = "a test that cannot make its files shall fail")]

use std::path::Path;

use footprint::{Built, Choice, Error, Footprint, Standing, Wish, Zones, build};
use proto::{Entry, Kind, Metadata, Proto, ProtoPath, Store};
use tempfile::TempDir;
use zpool_image::{Compression, PoolOptions, Size, draft, plan};

const MIB: u64 = 1 << 20;

struct Root {
    directory: TempDir,
    proto: Proto,
}

impl Root {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let mut proto = Proto::new(Store::create(directory.path().join("store")).unwrap());
        let top = Entry::directory(Metadata::root(0o755));
        proto.manifest.insert(ProtoPath::root(), top).unwrap();
        Self { directory, proto }
    }

    /// Adds a file of bytes that do not compress.
    fn noise(mut self, path: &str, size: usize, package: Option<&str>) -> Self {
        let mut state = size as u32 | 1;
        let bytes: Vec<u8> = std::iter::repeat_with(|| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 24) as u8
        })
        .take(size)
        .collect();
        self.add(path, &bytes, package);
        self
    }

    /// Adds a file that compresses well.
    fn text(mut self, path: &str, size: usize) -> Self {
        let bytes = b"once more the same ".repeat(size / 19);
        self.add(path, &bytes, None);
        self
    }

    fn add(&mut self, path: &str, bytes: &[u8], package: Option<&str>) {
        let path = ProtoPath::new(path).unwrap();
        self.proto.manifest.ensure_parents(&path, Metadata::root(0o755));
        let content = self.proto.contents.store.add_bytes(bytes).unwrap();
        let mut entry = Entry::new(Kind::File(content), Metadata::root(0o644));
        entry.package = package.map(Into::into);
        self.proto.manifest.insert(path, entry).unwrap();
    }

    fn fit(&self, options: &PoolOptions, wish: &Wish) -> Result<Built, Error> {
        let trees = [("ROOT/ramdisk", &self.proto)];
        let out = Path::new("zfs.img");
        build(&trees, options, wish, out, |options| plan(&trees, options, out))
    }
}

fn options() -> PoolOptions {
    PoolOptions { size: Size::Auto { headroom: 8 * MIB }, ..PoolOptions::ramdisk() }
}

#[test]
fn every_byte_is_somebodys() {
    let root = Root::new()
        .noise("usr/lib/big.so", 700_000, Some("system/library"))
        .noise("usr/lib/small.so", 300_000, Some("system/library"))
        .noise("usr/bin/tool", 200_000, Some("tools"))
        .noise("opt/oxide/propolis-server.tar.gz", 900_000, None)
        .noise("opt/oxide/sled-agent/bin/agent", 400_000, None)
        .noise("zones/extra/a", 100_000, None);
    let zones = Zones::default().with(ProtoPath::new("zones/extra").unwrap(), "extra");
    let wish = Wish { zones, ..Wish::default() };
    let built = root.fit(&options(), &wish).unwrap();
    let footprint = &built.footprint;
    assert_eq!(footprint.parts.values().sum::<u64>(), footprint.contents());
    assert_eq!(footprint.directories.values().sum::<u64>(), footprint.contents());
    assert_eq!(footprint.contents() + footprint.metadata, footprint.pool.allocated);
    assert_eq!(footprint.pool.allocated, built.outcome.report.allocated);
    // The last record of a file is as long as the others.
    let near = |bytes: u64, size: u64| assert!(bytes >= size && bytes < size + 270_000, "{bytes}");
    near(footprint.packages["system/library"], 1_000_000);
    near(footprint.packages["tools"], 200_000);
    near(footprint.zones["propolis-server"], 900_000);
    near(footprint.zones["extra"], 100_000);
    near(footprint.directories["opt/oxide/sled-agent"], 400_000);
    near(footprint.directories["usr/lib"], 1_000_000);
    let largest: Vec<&str> = footprint.largest().iter().map(|(part, _)| *part).collect();
    assert_eq!(
        largest[..3],
        ["package system/library", "zone propolis-server", "directory opt/oxide/sled-agent"]
    );
    let table = footprint.table();
    for row in ["by package", "by zone", "propolis-server", "(no package)", "headroom"] {
        assert!(table.contains(row), "{table}");
    }
}

#[test]
fn a_plan_is_what_is_written() {
    let root = Root::new().noise("a", 500_000, None).text("b/c", 3_000_000);
    let trees = [("ROOT/ramdisk", &root.proto)];
    let out = root.directory.path().join("zfs.img");
    let options = PoolOptions { compression: Compression::Gzip(9), ..options() };
    let planned = root.fit(&options, &Wish::default()).unwrap();
    let mut kept = None;
    let written = build(&trees, &options, &Wish::default(), &out, |options| {
        let draft = draft(&trees, options, &out)?;
        let outcome = draft.outcome().clone();
        kept = Some(draft);
        Ok(outcome)
    })
    .unwrap();
    kept.unwrap().keep().unwrap();
    assert_eq!(planned.footprint, written.footprint);
    assert_eq!(out.metadata().unwrap().len(), planned.footprint.pool.size);
}

#[test]
fn a_budget_warns_then_refuses_and_says_what_grew() {
    let before = Root::new().noise("lib/a", 1_000_000, Some("a")).noise("b", 2_000_000, None);
    let earlier = before.fit(&options(), &Wish::default()).unwrap().footprint;
    let now = Root::new().noise("lib/a", 9_000_000, Some("a")).noise("b", 1_000_000, None).noise(
        "opt/oxide/new.tar.gz",
        60_000_000,
        None,
    );
    let mut wish = Wish { earlier: Some(earlier), ..Wish::default() };
    let size = now.fit(&options(), &wish).unwrap().footprint.pool.size;

    let mut standing = |budget| {
        wish.budget = Some(budget);
        now.fit(&options(), &wish).map(|built| built.standing.unwrap())
    };
    assert_eq!(standing(size * 2).unwrap(), Standing::Within { percent: 50 });
    assert_eq!(standing(size).unwrap(), Standing::Near { percent: 100 });
    assert!(matches!(standing(size * 100 / 90).unwrap(), Standing::Near { .. }));
    let error = standing(size - MIB).unwrap_err().to_string();
    let lines: Vec<&str> = error.lines().collect();
    assert!(lines[0].starts_with("zfs.img: the image takes "), "{error}");
    assert!(lines[0].contains(", 1 MiB more than its budget of "), "{error}");
    assert_eq!(lines[1], "the largest parts:");
    assert!(lines[2].ends_with("MiB  zone new"), "{error}");
    assert!(lines[3].ends_with("MiB  package a"), "{error}");
    let grown = lines.iter().position(|line| line.starts_with("what grew")).unwrap();
    assert!(lines[grown + 1].ends_with("  zone new (new)"), "{error}");
    assert!(lines[grown + 2].ends_with("  package a (was 1.0 MiB)"), "{error}");
    let rest = &lines[grown + 3..];
    assert!(rest.iter().all(|line| line.contains(" B  directory opt")), "{error}");
}

#[test]
fn the_smallest_form_is_chosen_with_a_reason() {
    let wish = Wish { compression: Choice::Smallest, ..Wish::default() };
    let words = Root::new().text("text", 120_000_000).fit(&options(), &wish).unwrap();
    let smallest = words.smallest.unwrap();
    assert_eq!(words.compression, Compression::Gzip(9));
    assert_eq!(words.footprint.pool.size, smallest.compressed);
    assert!(smallest.compressed < smallest.plain.unwrap());
    assert!(smallest.to_string().starts_with("compressed with gzip-9: 69 MiB of memory instead"));

    // What does not compress.
    let noise = Root::new().noise("noise", 100_000, None);
    let built = noise.fit(&options(), &wish).unwrap();
    assert_eq!(built.compression, Compression::Off);
    assert_eq!(Some(built.footprint.pool.size), built.smallest.unwrap().plain);
    assert!(built.smallest.unwrap().to_string().starts_with("a plain pool: "));

    // A size that only the compressed form fits.
    let tight = PoolOptions { size: Size::Bytes(64 * MIB), ..options() };
    let built = Root::new().text("text", 120_000_000).fit(&tight, &wish).unwrap();
    assert_eq!(built.smallest.unwrap().plain, None);
}

#[test]
fn records_are_read_as_they_were_written() {
    let root = Root::new().noise("lib/a", 100_000, Some("a"));
    let footprint = root.fit(&options(), &Wish::default()).unwrap().footprint;
    let file = root.directory.path().join("record.json");
    footprint.write(&file).unwrap();
    assert_eq!(Footprint::read(&file).unwrap(), footprint);
    std::fs::write(&file, "{}").unwrap();
    let error = Footprint::read(&file).unwrap_err().to_string();
    assert!(error.contains("record.json: is no record of a footprint"), "{error}");
    std::fs::write(&file, serde_json::to_string(&footprint).unwrap().replace("\"v\":1", "\"v\":2"))
        .unwrap();
    assert!(Footprint::read(&file).unwrap_err().to_string().contains("version 2 is not 1"));
}
