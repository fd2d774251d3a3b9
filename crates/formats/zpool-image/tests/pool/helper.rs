//! A process of its own that writes an image: to be limited, to lose privileges, to be killed.
//!
//! It is this test program again, running nothing but [`write_an_image`].

use std::env;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use proto::{Entry, FileContent, Kind, Metadata, Mtime, Proto, ProtoPath, Store};
use zpool_image::{PoolOptions, write};

const TREE: &str = "ZPOOL_IMAGE_HELPER_TREE";
const OUT: &str = "ZPOOL_IMAGE_HELPER_OUT";
const NAME: &str = "helper::write_an_image";

/// The proto of the regular files in a directory, their contents read from there.
pub(crate) fn proto_of(tree: &Path, store: &Path) -> Proto {
    let mut proto = Proto::new(Store::create(store).unwrap());
    proto.contents.tree = Some(tree.to_owned());
    let root = Entry::directory(Metadata::root(0o755).at(Mtime::from_seconds(1)));
    proto.manifest.insert(ProtoPath::root(), root).unwrap();
    for file in fs::read_dir(tree).unwrap() {
        let file = file.unwrap();
        let content = FileContent { size: file.metadata().unwrap().len(), digest: None };
        let path = ProtoPath::new(file.file_name().as_encoded_bytes()).unwrap();
        let entry = Entry::new(Kind::File(content), Metadata::root(0o644));
        proto.manifest.insert(path, entry).unwrap();
    }
    proto
}

/// The other side: writes `OUT/zfs.img` with what is in `TREE`.
#[test]
#[ignore = "runs in a process of its own, for other tests"]
fn write_an_image() {
    let tree = PathBuf::from(env::var_os(TREE).unwrap());
    let out = PathBuf::from(env::var_os(OUT).unwrap());
    let proto = proto_of(&tree, &out.with_extension("store"));
    if let Err(error) = write(&proto, &PoolOptions::ramdisk(), &out.join("zfs.img")) {
        let source = std::error::Error::source(&error).map(ToString::to_string);
        panic!("refused: {error}: {}", source.unwrap_or_default());
    }
}

/// A command that writes `OUT/zfs.img` from the files in a directory; `before` is what runs it.
pub(crate) fn command(before: &[&str], tree: &Path, out: &Path) -> Command {
    let program = env::current_exe().unwrap();
    let words: Vec<_> = before.iter().map(Path::new).chain([program.as_path()]).collect();
    let mut command = Command::new(words[0]);
    command.args(&words[1..]).args(["--exact", NAME, "--ignored", "--nocapture"]);
    command.env(TREE, tree).env(OUT, out).env("RUST_BACKTRACE", "0");
    command
}

/// The same as a user who is not root. The directory that holds `tree` and `out` is opened to it.
pub(crate) fn command_of_a_user(tree: &Path, out: &Path) -> Command {
    let home = out.parent().unwrap();
    if fs::metadata(home).unwrap().uid() != 0 {
        return command(&[], tree, out);
    }
    let open = |path: &Path, mode| {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    };
    open(home, 0o777);
    open(out, 0o777);
    open(tree, 0o755);
    // The program may lie where others cannot look.
    let program = home.join("program");
    fs::copy(env::current_exe().unwrap(), &program).unwrap();
    open(&program, 0o755);
    let mut command = Command::new(program);
    command.args(["--exact", NAME, "--ignored", "--nocapture"]);
    command.env(TREE, tree).env(OUT, out).env("RUST_BACKTRACE", "0").uid(65_534).gid(65_534);
    command
}
