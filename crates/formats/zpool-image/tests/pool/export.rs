//! Images and what must be in them, written out for judges that are no part of this repository.
//!
//! For every case there are `CASE.img`, `CASE.pool` with the pool's name, and for each of its trees
//! `CASE.N.dataset` with the dataset's full name and `CASE.N.manifest`, a line with columns for
//! each path. `.ci/full` runs this.

use std::env;
use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use proto::{Digest, Entry, Kind, Proto};
use sha2::Digest as _;
use zpool_image::{Compression, PoolOptions, Size, write_trees};

use crate::draw::{self, Drawn};
use crate::generate::{Tree, at, everything};
use crate::judge::mode;

fn to() -> PathBuf {
    let to = env::var_os("ZPOOL_IMAGE_EXPORT").unwrap_or_else(|| {
        panic!("ZPOOL_IMAGE_EXPORT must name a directory for the images");
    });
    fs::create_dir_all(&to).unwrap();
    to.into()
}

#[test]
#[ignore = "writes images for the judges of .ci/full"]
fn pools_of_the_matrix() {
    let seeds = env::var("ZPOOL_IMAGE_SEEDS").unwrap_or_else(|_| "1 2 3".to_owned());
    for seed in seeds.split_ascii_whitespace() {
        let Drawn { options, trees } = draw::pool(seed.parse().unwrap());
        export(&format!("seed-{seed}"), &options, &trees);
    }
}

#[test]
#[ignore = "writes images for the judges of .ci/full"]
fn everything_and_very_many_entries() {
    let options = PoolOptions { compression: Compression::Gzip(9), ..PoolOptions::ramdisk() };
    export("everything", &options, &[(options.tree.clone(), everything())]);
    // A name more in every directory makes all of them larger in one go.
    let options = PoolOptions { size: Size::Auto { headroom: 1 << 30 }, ..options };
    export("many", &options, &[(options.tree.clone(), many())]);
}

/// 200,000 entries, a part of them in one directory. Not more of them: to name an object zdb goes
/// through its directory from the beginning.
fn many() -> Tree {
    let mut tree = Tree::new();
    let content = tree.content(20, crate::generate::Fill::Noise, 1);
    let file = Entry::new(Kind::File(content), at(0o644, 1_700_000_000));
    tree.directory("flat");
    for index in 0..5000 {
        tree.add(format!("flat/{index}"), file.clone());
    }
    let mut left = 200_000 - tree.proto.manifest.len();
    for directory in 0.. {
        tree.directory(format!("{directory:03}"));
        left -= 1;
        for index in 0..left.min(999) {
            tree.add(format!("{directory:03}/{index}"), file.clone());
            left -= 1;
        }
        if left == 0 {
            return tree;
        }
    }
    unreachable!()
}

fn export(case: &str, options: &PoolOptions, trees: &[(String, Tree)]) {
    let to = to();
    let named: Vec<(&str, &Proto)> =
        trees.iter().map(|(name, tree)| (name.as_str(), &tree.proto)).collect();
    write_trees(&named, options, &to.join(format!("{case}.img"))).unwrap();
    fs::write(to.join(format!("{case}.pool")), &options.name).unwrap();
    fs::write(to.join(format!("{case}.options")), format!("{options:#?}\n")).unwrap();
    for (index, (name, tree)) in trees.iter().enumerate() {
        let dataset = format!("{}/{name}", options.name);
        fs::write(to.join(format!("{case}.{index}.dataset")), dataset).unwrap();
        write_manifest(&tree.proto, &to.join(format!("{case}.{index}.manifest")));
    }
}

fn write_manifest(proto: &Proto, to: &Path) {
    let mut text =
        String::from("#path\ttype\tmode\tuid\tgid\tsize\tnlink\tmtime\tsha256\ttarget\n");
    let mut names = std::collections::BTreeMap::new();
    for (path, entry) in proto.manifest.iter() {
        let (file, _) = resolve(proto, path, entry);
        *names.entry(file).or_insert(0) += 1;
    }
    for (path, entry) in proto.manifest.iter() {
        let (file, there) = resolve(proto, path, entry);
        let metadata = there.metadata;
        let none = || "-".to_owned();
        let (letter, size, links, digest, target) = match &there.kind {
            Kind::File(content) => {
                let digest = content.digest.unwrap_or_else(|| digest_of(proto, file, content));
                ("f", content.size.to_string(), names[file].to_string(), digest.to_string(), none())
            }
            Kind::Symlink { target } => {
                ("l", target.len().to_string(), none(), none(), escaped(target))
            }
            Kind::Directory => ("d", none(), none(), none(), none()),
            Kind::BlockDevice(_) => ("b", none(), none(), none(), none()),
            Kind::CharacterDevice(_) => ("c", none(), none(), none(), none()),
            Kind::Fifo => ("p", none(), none(), none(), none()),
            Kind::Socket => ("s", none(), none(), none(), none()),
            Kind::Hardlink { .. } => unreachable!(),
        };
        let path = if path.is_root() { ".".to_owned() } else { escaped(path.as_bytes()) };
        let (seconds, nanoseconds) = (metadata.mtime.seconds, metadata.mtime.nanoseconds);
        text.push_str(&format!(
            "{path}\t{letter}\t{:04o}\t{}\t{}\t{size}\t{links}\t{seconds}.{nanoseconds:09}\t{digest}\t{target}\n",
            mode(there),
            metadata.uid,
            metadata.gid,
        ));
    }
    fs::write(to, text).unwrap();
}

fn resolve<'a>(
    proto: &'a Proto,
    path: &'a proto::ProtoPath,
    entry: &'a Entry,
) -> (&'a proto::ProtoPath, &'a Entry) {
    match &entry.kind {
        Kind::Hardlink { target } => proto.manifest.resolve_hardlink(target).unwrap(),
        _ => (path, entry),
    }
}

fn digest_of(proto: &Proto, path: &proto::ProtoPath, content: &proto::FileContent) -> Digest {
    let mut hasher = sha2::Sha256::new();
    let mut file = proto.contents.open(path, content).unwrap();
    let mut buffer = vec![0; 1 << 20];
    loop {
        match file.read(&mut buffer).unwrap() {
            0 => return Digest(hasher.finalize().into()),
            count => hasher.update(&buffer[..count]),
        }
    }
}

fn escaped(bytes: &[u8]) -> String {
    let mut text = String::new();
    for byte in bytes {
        match byte {
            b'\\' | 0..0x20 | 0x7f.. => text.push_str(&format!("\\x{byte:02x}")),
            _ => text.push((*byte).into()),
        }
    }
    text
}
