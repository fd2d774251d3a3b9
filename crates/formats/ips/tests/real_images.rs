//! Against images that the real pkg(7) made. `RELENG_DATA` names a directory with the unpacked
//! sample (`img`, `img.zone`, `img.repo`, `img.truth`); run with `--ignored`.
#![allow(clippy::unwrap_used, reason = "a test may fail")]

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use ips::{
    Image, ImportOptions, InstallOptions, Timestamp, Variants, change_facets, change_variants,
    create_image, import_root, install, open_origin, set_properties, set_publisher,
};
use proto::{Digest, Kind, Proto, Store};

fn data(name: &str) -> PathBuf {
    PathBuf::from(std::env::var_os("RELENG_DATA").expect("RELENG_DATA is not set")).join(name)
}

/// As the truth has it: path, type, mode, uid, gid, number of names (files only), link text; and
/// the digest of a file's content.
type Tree = BTreeMap<String, (String, String)>;

fn tree(proto: &Proto) -> Tree {
    let mut names: BTreeMap<String, usize> = BTreeMap::new();
    let file_of = |path: &proto::ProtoPath| {
        let (file, entry) = proto.manifest.resolve_hardlink(path).unwrap();
        (file.clone(), entry.clone())
    };
    for (path, _) in proto.manifest.iter() {
        *names.entry(file_of(path).0.to_string()).or_default() += 1;
    }
    let mut tree = Tree::new();
    for (path, _) in proto.manifest.iter() {
        let text = path.to_string();
        if text.starts_with("var/pkg") {
            continue;
        }
        let (file, entry) = file_of(path);
        let metadata = entry.metadata;
        let (kind, count, link, digest) = match &entry.kind {
            Kind::Directory => ("d", String::new(), String::new(), String::new()),
            Kind::Symlink { target } => {
                ("l", String::new(), String::from_utf8_lossy(target).into_owned(), String::new())
            }
            Kind::File(content) => {
                let bytes = proto.contents.read(&file, content).unwrap();
                let count = names[&file.to_string()].to_string();
                ("f", count, String::new(), Digest::of(&bytes).to_string())
            }
            other => panic!("{path} is a {}", other.word()),
        };
        let name = if path.is_root() { ".".to_owned() } else { format!("./{text}") };
        let line =
            format!("{kind} {:o} {} {} {count} {link}", metadata.mode, metadata.uid, metadata.gid);
        tree.insert(name, (line, digest));
    }
    tree
}

fn truth(image: &str, truth: &str) -> Tree {
    let root = data(image);
    let text = fs::read_to_string(data("img.truth").join(truth).join("tree")).unwrap();
    let mut tree = Tree::new();
    for line in text.lines() {
        let fields: Vec<&str> = line.split('\t').collect();
        let is_file = fields[1] == "f";
        let digest = match is_file {
            true => Digest::of(&fs::read(root.join(fields[0])).unwrap()).to_string(),
            false => String::new(),
        };
        let count = if is_file { fields[5] } else { "" };
        let link = fields.get(6).unwrap_or(&"");
        let line =
            format!("{} {} {} {} {count} {link}", fields[1], fields[2], fields[3], fields[4]);
        tree.insert(fields[0].to_owned(), (line, digest));
    }
    tree
}

fn differences(ours: &Tree, theirs: &Tree) -> Vec<String> {
    let mut paths: Vec<&String> = ours.keys().chain(theirs.keys()).collect();
    paths.sort();
    paths.dedup();
    paths.into_iter().filter(|path| ours.get(*path) != theirs.get(*path)).cloned().collect()
}

#[test]
#[ignore = "needs RELENG_DATA"]
fn imported_images_are_as_pkg_made_them() {
    let store = tempfile::tempdir().unwrap();
    for (image, of) in [("img", "global"), ("img.zone", "zone")] {
        let store = Store::create(store.path()).unwrap();
        let proto = import_root(&data(image), store, &ImportOptions::default()).unwrap();
        assert_eq!(differences(&tree(&proto), &truth(image, of)), [""; 0], "{image}");
    }
}

#[test]
#[ignore = "needs RELENG_DATA"]
fn installed_images_are_as_pkg_makes_them() {
    let repository = open_origin(data("img.repo")).unwrap();
    let origins = [&*repository];
    let directory = tempfile::tempdir().unwrap();
    for (image, of, request) in [("img", "global", "fmris"), ("img.zone", "zone", "zone.request")] {
        let theirs = Proto {
            manifest: proto::import_directory(&data(image), proto::Owners::Root).unwrap(),
            contents: proto::Contents {
                store: Store::create(directory.path()).unwrap(),
                tree: Some(data(image)),
            },
        };
        let theirs = Image::read(&theirs).unwrap();
        // The minute of the installation is part of `pkginfo`.
        let installed = theirs.packages[0].last_install.clone().unwrap();
        let date: Timestamp = format!("{}Z", &installed[..15]).parse().unwrap();
        let options = InstallOptions { date };

        let mut ours = Proto::new(Store::create(directory.path()).unwrap());
        let zone = theirs.config.variants.get(Variants::ZONE).unwrap();
        create_image(&mut ours, Variants::for_zone(zone), date).unwrap();
        for publisher in &theirs.config.publishers {
            set_publisher(&mut ours, publisher.clone(), date).unwrap();
        }
        let variants: Vec<_> = theirs.config.variants.iter().map(owned).collect();
        change_variants(&mut ours, &variants, &origins, &options).unwrap();
        let facets: Vec<_> = theirs
            .config
            .facets
            .iter()
            .map(|(name, value)| (name.to_owned(), Some(value)))
            .collect();
        change_facets(&mut ours, &facets, &origins, &options).unwrap();
        let name = "exclude-patterns";
        let patterns = theirs.config.property(name).unwrap();
        set_properties(&mut ours, &[owned((name, patterns))], date).unwrap();

        let request = fs::read_to_string(data("img.truth").join(request)).unwrap();
        let request: Vec<String> = request.lines().map(str::to_owned).collect();
        install(&mut ours, &request, &origins, &options).unwrap();
        let image_read = Image::read(&ours).unwrap();
        let list = |image: &Image| -> Vec<String> {
            image.packages.iter().map(|package| package.fmri.long()).collect()
        };
        assert_eq!(list(&image_read), list(&theirs));
        assert_eq!(image_read.config.mediators, theirs.config.mediators);
        // add_drv(8) was not there when the images were made.
        let mut differences = differences(&tree(&ours), &truth(image, of));
        differences.retain(|path| {
            !["./etc/name_to_major", "./etc/driver_aliases", "./etc/minor_perm"]
                .contains(&path.as_str())
        });
        assert_eq!(differences, [""; 0], "{image}");
    }
}

fn owned((name, value): (&str, &str)) -> (String, String) {
    (name.to_owned(), value.to_owned())
}
