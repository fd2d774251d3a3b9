//! The pools of the sample's images, through GRUB's reader, zdb and our own.

use std::fs;
use std::io::Read as _;
use std::os::unix::fs::symlink;
use std::path::Path;

use proto::{Kind, ProtoPath};
use zpool_image::reader::Image;

use crate::common::{run, sample};

const DATASET: &str = "rpool/ROOT/ramdisk";
const BASELINE: &str = "usr/lib/brand/omicron1/baseline";
const FILES: [&str; 2] = ["files.tar.gz", "gzonly.txt"];

fn path(text: &str) -> ProtoPath {
    ProtoPath::new(text).unwrap()
}

/// A file's bytes as GRUB reads them; none where GRUB finds no such file.
fn grub_reads(pool: &Path, file: &str) -> Option<Option<Vec<u8>>> {
    let mut grub = verifiers::require("grub-fstest")?;
    let place = format!("(loop0)/ROOT/ramdisk/@/{file}");
    let output = grub.arg(pool).args(["cat", &place]).output().unwrap();
    Some(output.status.success().then_some(output.stdout))
}

#[test]
fn the_host_image_carries_the_baseline() {
    let sample = sample();
    let (_directory, pool) = sample.pool("host");
    let image = Image::open(&pool).unwrap();
    let mut dataset = image.dataset(DATASET).unwrap();
    let manifest = dataset.manifest().unwrap();
    for name in FILES {
        let expected = fs::read(sample.path("baseline").join(name)).unwrap();
        let file = format!("{BASELINE}/{name}");
        if let Some(read) = grub_reads(&pool, &file) {
            assert!(read.as_ref() == Some(&expected), "GRUB reads another {name}");
        }
        let mut read = Vec::new();
        dataset.file(&path(&file)).unwrap().read_to_end(&mut read).unwrap();
        assert!(read == expected, "another {name} is in the pool");
        let entry = manifest.get(&path(&file)).unwrap();
        let metadata = &entry.metadata;
        assert!(matches!(entry.kind, Kind::File(_)));
        assert_eq!((metadata.mode, metadata.uid, metadata.gid), (0o644, 0, 3), "{name}");
    }
    // The brand itself, the bundled zone and the installed package.
    for file in ["usr/lib/brand/omicron1/config.xml", "usr/lib/brand/omicron1/platform.xml"] {
        assert!(manifest.contains(&path(file)), "{file}");
    }
    let site = "lib/svc/manifest/site";
    let sites = manifest.iter().filter(|(p, _)| p.to_string().starts_with(site)).count();
    assert!(sites > 1, "no service of the global zone");
    let bundled = |p: &ProtoPath| {
        p.to_string().starts_with("opt/oxide/") && p.to_string().ends_with(".tar.gz")
    };
    assert!(manifest.iter().any(|(p, _)| bundled(p)), "no bundled zone");
    assert!(manifest.contains(&path("root/.profile")));
    assert_eq!(manifest.get(&path("root")).unwrap().metadata.mode, 0o700);
}

#[test]
fn the_trampoline_image_has_neither_baseline_nor_brand() {
    let sample = sample();
    let (_directory, pool) = sample.pool("trampoline");
    let image = Image::open(&pool).unwrap();
    let manifest = image.dataset(DATASET).unwrap().manifest().unwrap();
    let brand: Vec<String> = manifest
        .iter()
        .map(|(path, _)| path.to_string())
        .filter(|path| path.contains("omicron1") || path.ends_with("gzonly.txt"))
        .collect();
    assert!(brand.is_empty(), "{brand:?}");
    assert!(manifest.contains(&path("etc/passwd")));
    if let Some(read) = grub_reads(&pool, "etc/motd") {
        assert!(read.is_some(), "GRUB cannot read the trampoline");
        for name in FILES {
            assert!(grub_reads(&pool, &format!("{BASELINE}/{name}")).unwrap().is_none());
        }
    }
}

#[test]
fn zdb_finds_no_error_and_no_leak() {
    for image in ["host", "trampoline"] {
        let (directory, pool) = sample().pool(image);
        let Some(mut zdb) = verifiers::require("zdb") else { return };
        let place = directory.path().join("zdb");
        fs::create_dir(&place).unwrap();
        symlink(&pool, place.join("image")).unwrap();
        let outcome = run(zdb.args(["-e", "-p"]).arg(&place).args(["-bcc", "rpool"]));
        assert_eq!(outcome.status, Some(0), "{image}: {outcome}");
        assert!(
            outcome.out.contains("No leaks (block sum matches space maps exactly)"),
            "{outcome}"
        );
        for word in ["leaked space", "double alloc", "error", "mismatch", "!="] {
            assert!(
                !outcome.out.contains(word) && !outcome.err.contains(word),
                "{word}: {outcome}"
            );
        }
    }
}

#[test]
fn the_images_say_what_they_are() {
    let sample = sample();
    for (image, word, compressed) in [("host", "sample ", false), ("trampoline", "recovery ", true)]
    {
        let zfs = sample.path(image).join("zfs.img");
        let header = boot_image::phase2::verify(&zfs).unwrap();
        assert!(header.name.starts_with(word), "{}", header.name);
        assert!(header.name.ends_with("2026-09-21 14:13"), "{}", header.name);
        assert_eq!(header.compressed, compressed);
        assert_eq!(header.data_size < header.image_size, compressed);
        let sum = fs::read(sample.path(image).join("boot_image_csum")).unwrap();
        assert_eq!(hex::encode(sum), header.sha256.to_string());
        for board in ["gimlet", "cosmo"] {
            let rom = fs::read_to_string(sample.path(image).join(format!("{board}.rom"))).unwrap();
            assert!(rom.contains("not"), "{rom}");
        }
    }
}
