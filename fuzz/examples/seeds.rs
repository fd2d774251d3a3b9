//! Writes first inputs: `cargo run --release --example seeds -- corpus`.

use std::error::Error;
use std::fs;
use std::path::Path;

use proto::{Entry, Kind, Metadata, Proto, ProtoPath, Store};
use zpool_image::reader::fuzzing::{self, Parts};
use zpool_image::{Compression, Feature, PoolOptions, write};

fn main() -> Result<(), Box<dyn Error>> {
    let corpus = std::env::args_os().nth(1).ok_or("the directory for the inputs is missing")?;
    let corpus = Path::new(&corpus);
    packages(corpus)?;
    repositories(corpus)?;
    let directory = tempfile::tempdir()?;
    let proto = some_files(directory.path())?;
    let mut rich = PoolOptions::ramdisk();
    Feature::all().for_each(|feature| rich.enable(feature));
    rich.compression = Compression::Lz4;
    for dataset in &mut rich.datasets {
        dataset.snapshot = Some("made".to_owned());
    }
    let mut plain = PoolOptions::ramdisk();
    plain.record_size = 512;
    let gzip = PoolOptions { compression: Compression::Gzip(6), ..PoolOptions::ramdisk() };
    for (name, options) in [("plain", plain), ("gzip", gzip), ("rich", rich)] {
        let image = directory.path().join(name);
        write(&proto, &options, &image)?;
        let Parts { image, label, nvlist, trees, tables, attributes, space_maps } =
            fuzzing::disassemble(&image)?;
        for (target, inputs) in [
            ("image", vec![image]),
            ("label", vec![label]),
            ("nvlist", vec![nvlist]),
            ("tree", trees),
            ("zap", tables),
            ("attributes", attributes),
            ("space_map", space_maps),
        ] {
            let target = corpus.join(format!("zpool_{target}"));
            fs::create_dir_all(&target)?;
            for (number, input) in inputs.into_iter().enumerate() {
                fs::write(target.join(format!("{name}-{number}")), input)?;
            }
        }
    }
    Ok(())
}

/// A package, in each form in which packages are read.
fn packages(corpus: &Path) -> Result<(), Box<dyn Error>> {
    let directory = tempfile::tempdir()?;
    let path = |name: &str| directory.path().join(name);
    let source = path("sample.p5m");
    fs::write(&source, MANIFEST)?;
    fs::write(path("file"), "content\n")?;
    let time = "20260102T030405Z".parse()?;
    let mut repository = ips::Repository::create(path("repository"), "sample")?;
    let publication = ips::Publication {
        content: vec![directory.path().to_owned()],
        ..ips::Publication::new("sample", time)
    };
    let packages = ips::publish(&mut repository, &publication, &[source])?;
    ips::PackageArchive::write(&path("x.p5p"), &repository, &packages, time)?;
    let manifest = ips::Origin::manifest_text(&repository, &packages[0])?;
    let text = |name: &str| fs::read(path("repository/publisher/sample/catalog").join(name));
    let lock = ips::Lock::new(
        vec![ips::LockOrigin { location: "repo".into(), publishers: vec!["sample".into()] }],
        vec![ips::LockedPackage {
            fmri: packages[0].clone(),
            digest: proto::Digest::of(manifest.as_bytes()),
            origin: "repo".into(),
        }],
    )?;
    let mut proto = Proto::new(Store::create(path("store"))?);
    ips::create_image(&mut proto, ips::Variants::for_zone("global"), time)?;
    ips::set_publisher(&mut proto, ips::Publisher::new("sample", "file:///repo"), time)?;
    let config = ProtoPath::new("var/pkg/pkg5.image")?;
    let content = proto.manifest.get(&config).and_then(Entry::content).ok_or("no settings")?;
    let config = proto.contents.read(&config, content)?;
    for (target, name, bytes) in [
        ("manifest", "sample", manifest.into_bytes()),
        ("catalog", "base", text("catalog.base.C")?),
        ("catalog", "dependency", text("catalog.dependency.C")?),
        ("catalog", "attrs", text("catalog.attrs")?),
        ("archive", "sample", fs::read(path("x.p5p"))?),
        ("lock", "sample", lock.to_string().into_bytes()),
        ("image_config", "sample", config),
        ("image_database", "sample", image_database(&path("catalog.db"))?),
    ] {
        let target = corpus.join(format!("ips_{target}"));
        fs::create_dir_all(&target)?;
        fs::write(target.join(name), bytes)?;
    }
    Ok(())
}

/// What an image of format 5 knows of packages: one that is installed, one that is not.
fn image_database(path: &Path) -> Result<Vec<u8>, Box<dyn Error>> {
    let database = rusqlite::Connection::open(path)?;
    database.execute_batch(
        "PRAGMA page_size = 512;
         CREATE TABLE packages (id INTEGER PRIMARY KEY, pub TEXT NOT NULL, stem TEXT NOT NULL,
         version TEXT NOT NULL, sortkey BLOB NOT NULL, installed INTEGER NOT NULL DEFAULT 0,
         base TEXT NOT NULL, UNIQUE (pub, stem, version));
         CREATE INDEX pkg_installed ON packages (stem) WHERE installed = 1;
         INSERT INTO packages (pub, stem, version, sortkey, installed, base) VALUES
         ('sample', 'a/b', '1.2,5.11-2.0.3:20260102T030405Z', x'00', 1, '{}'),
         ('sample', 'c', '1.0,5.11:20260102T030405Z', x'00', 0, '{\"signature-sha-1\":\"00\"}');",
    )?;
    database.close().map_err(|(_, error)| error)?;
    Ok(fs::read(path)?)
}

/// A small repository, its metadata and documents, and what it is made of.
fn repositories(corpus: &Path) -> Result<(), Box<dyn Error>> {
    let directory = tempfile::tempdir()?;
    let path = |name: &str| directory.path().join(name);
    let metadata = oxide_archive::Metadata::new(oxide_archive::ArchiveType::Layer)
        .with_package("ntp", "1.0.0")
        .with_info("name", "ntp")?;
    let zone = oxide_archive::Writer::create(path("ntp.tar.gz"), &metadata, 0)?;
    zone.commit()?;
    let fake = hubris::Fake::new("SimRot", "1.0.0");
    let rot = hubris::Fake { image_name: Some("a"), ..fake }.archive();
    let corim = hubris::fake_corim("all", "1.0.5");
    fs::write(path("rot.zip"), &rot)?;
    fs::write(path("corpus"), &corim)?;
    let inputs = ["ntp.tar.gz", "rot.zip", "corpus"].map(|name| tuf::Input::guess(path(name)));
    tuf::build(&tuf::BuildOptions {
        system_version: "1.0.0".to_owned(),
        inputs: inputs.into_iter().collect::<Result<_, _>>()?,
        keys: Vec::new(),
        roots: Vec::new(),
        expires_days: 7,
        build_time: "2026-11-20T15:13:08Z".parse()?,
        out: path("repo.zip"),
        installinator_document: true,
    })?;
    let repository = tuf::Repository::open(&path("repo.zip"), None)?;
    let show = |name: &str| -> Result<Vec<u8>, tuf::Error> {
        let mut bytes = Vec::new();
        repository.show(name, &mut bytes)?;
        Ok(bytes)
    };
    let archive = hubris::Archive::read(std::io::Cursor::new(&rot))?;
    for (target, name, bytes) in [
        ("tuf_zip", "sample", fs::read(path("repo.zip"))?),
        ("tuf_metadata", "root", repository.metadata("1.root.json")?),
        ("tuf_metadata", "targets", repository.metadata("targets.json")?),
        ("tuf_metadata", "snapshot", repository.metadata("snapshot.json")?),
        ("tuf_metadata", "timestamp", repository.metadata("timestamp.json")?),
        ("tuf_documents", "artifacts", show("artifacts-v2.json")?),
        ("tuf_documents", "installinator", show("installinator_document-1.0.0.json")?),
        ("hubris_archive", "rot", rot),
        ("hubris_caboose", "rot", archive.caboose.to_bytes()),
        ("hubris_corim", "sample", corim),
        ("oxide_json", "layer", metadata.to_json()?.into_bytes()),
    ] {
        let target = corpus.join(target);
        fs::create_dir_all(&target)?;
        fs::write(target.join(name), bytes)?;
    }
    Ok(())
}

/// One action of each kind.
const MANIFEST: &str = "\
set name=pkg.fmri value=pkg://sample/a/b@1.2,5.11-2.0.3
set name=pkg.summary value=\"A \\\"quoted\\\" summary\"
set name=variant.arch value=i386 value=sparc
dir path=etc owner=root group=sys mode=0755 facet.doc=all
file file path=etc/x owner=root group=sys mode=0644 preserve=renamenew overlay=allow
hardlink path=etc/y target=x
link path=etc/z target=../nowhere mediator=m mediator-version=1.2 mediator-implementation=i@2
depend fmri=pkg:/c@1 fmri=d type=require-any variant.opensolaris.zone=global
depend fmri=e predicate=f@2-3 type=conditional
user username=u uid=50 group=g group-list=root group-list=sys ftpuser=false password=NP
group groupname=g gid=51
driver name=drv alias=pci1,2 perms=\"* 0666 root sys\" class=net
license file license=\"a licence\"
legacy pkg=SUNWx version=1.0 name=x
";

fn some_files(directory: &Path) -> Result<Proto, Box<dyn Error>> {
    let mut proto = Proto::new(Store::create(directory.join("store"))?);
    let metadata = Metadata::root(0o644);
    let mut entries = vec![
        (String::new(), Entry::directory(metadata)),
        ("directory".to_owned(), Entry::directory(metadata)),
        ("short".to_owned(), Entry::symlink("somewhere", metadata)),
        ("long".to_owned(), Entry::symlink("a/b/c".repeat(100), metadata)),
        ("pipe".to_owned(), Entry::new(Kind::Fifo, metadata)),
    ];
    for size in [0, 40, 3000, 9000] {
        let bytes: Vec<u8> = (0..size).map(|n| (n * n / 7) as u8).collect();
        let content = proto.contents.store.add_bytes(&bytes)?;
        let name = format!("directory/file-of-{size}-bytes-{}", "x".repeat(size / 100));
        entries.push((name, Entry::new(Kind::File(content), metadata)));
    }
    for (name, entry) in entries {
        proto.manifest.insert(ProtoPath::new(name)?, entry)?;
    }
    Ok(proto)
}
