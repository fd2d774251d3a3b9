//! Trees, trees with manifests, and tars.

use std::fs;
use std::path::Path;

use crate::common::{DATASET, Place};

const MANIFEST: &str = "\
#mtree v2.0
/set uid=0 gid=3 mode=0755 time=1234567890.5
. type=dir
./bin type=link mode=0777 link=usr/bin
./dev type=dir
./dev/null type=char mode=0666 device=native,13,2
./dev/pipe type=fifo mode=0600
./etc type=dir
./etc/also type=file mode=0644 tags=hardlink:etc/motd
./etc/motd type=file uid=7 mode=0644
./opt type=dir
./opt/oxide type=dir
./opt/oxide/ntp.tar.gz type=file mode=0444
./usr type=dir
./usr/bin type=dir
./usr/bin/tool type=file mode=04755 uid=0
";

fn write_manifest(place: &Place) {
    fs::create_dir(place.path("root/dev")).unwrap();
    fs::hard_link(place.path("root/etc/motd"), place.path("root/etc/also")).unwrap();
    fs::write(place.path("m"), MANIFEST).unwrap();
}

#[test]
fn a_tree_belongs_to_root() {
    let place = Place::new();
    place.build(&["--tree", "root"]);
    let listed = place.mtree(DATASET);
    assert!(listed.contains("./etc/motd type=file uid=0 gid=0 mode=0"), "{listed}");
    let read = place.image(&["cat", "zfs.img", DATASET, "etc/motd"]).expect(0, "");
    assert_eq!(read.out, "hello\n");
    place.image(&["extract", "zfs.img", DATASET, "--to", "back"]).expect(0, "");
    let (a, b) = (place.path("root/usr/bin/tool"), place.path("back/usr/bin/tool"));
    assert!(fs::read(a).unwrap() == fs::read(b).unwrap());
}

#[test]
fn a_manifest_says_everything_but_the_bytes() {
    let place = Place::new();
    write_manifest(&place);
    place.build(&["--tree", "root", "--manifest", "m", "--compression", "gzip-9"]);
    let listed = place.mtree(DATASET);
    for line in [
        "./dev/null type=char uid=0 gid=3 mode=0666 time=1234567890.000000005 \
         device=native,13,2",
        "./dev/pipe type=fifo uid=0 gid=3 mode=0600",
        "./usr/bin/tool type=file uid=0 gid=3 mode=4755",
        "tags=hardlink:etc/also",
    ] {
        assert!(listed.contains(line), "{line}\n{listed}");
    }
}

#[test]
fn the_same_input_gives_the_same_image_and_salt_another() {
    let place = Place::new();
    write_manifest(&place);
    let from = ["--tree", "root", "--manifest", "m"];
    let first = fs::read(place.build(&from)).unwrap();
    assert!(fs::read(place.build(&from)).unwrap() == first);
    let salted = fs::read(place.build(&[&from[..], &["--salt", "x"]].concat())).unwrap();
    assert!(salted != first);
    place.build(&[&from[..], &["--guid", "0x1234"]].concat());
    let verified = place.image(&["verify", "--json", "zfs.img"]).expect(0, "").json();
    assert_eq!(verified["guid"], "4660");
}

/// A tar of the tree with numeric owners.
fn tar(place: &Place) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    let mut add = |name: &str, kind: tar::EntryType, link: &str, data: &[u8]| {
        let mut header = tar::Header::new_ustar();
        header.set_entry_type(kind);
        header.set_size(data.len() as u64);
        header.set_mode(if kind == tar::EntryType::Directory { 0o755 } else { 0o640 });
        header.set_uid(5);
        header.set_gid(6);
        header.set_mtime(99);
        header.set_device_major(13).unwrap();
        header.set_device_minor(2).unwrap();
        if !link.is_empty() {
            header.set_link_name(link).unwrap();
        }
        builder.append_data(&mut header, name, data).unwrap();
    };
    let motd = fs::read(place.path("root/etc/motd")).unwrap();
    add("./", tar::EntryType::Directory, "", b"");
    add("etc/motd", tar::EntryType::Regular, "", b"older");
    add("etc/motd", tar::EntryType::Regular, "", &motd);
    add("etc/also", tar::EntryType::Link, "etc/motd", b"");
    add("bin", tar::EntryType::Symlink, "usr/bin", b"");
    add("dev/null", tar::EntryType::Char, "", b"");
    builder.into_inner().unwrap()
}

#[test]
fn a_tar_comes_from_a_file_or_a_pipe_compressed_or_not() {
    let place = Place::new();
    let bytes = tar(&place);
    fs::write(place.path("t.tar"), &bytes).unwrap();
    let first = fs::read(place.build(&["--tar", "t.tar"])).unwrap();
    let listed = place.mtree(DATASET);
    for line in [
        // Parents that the tar leaves out are at the time that is given.
        "./etc type=dir uid=0 gid=0 mode=0755 time=1790000000.000000000",
        "./etc/motd type=file uid=5 gid=6 mode=0640 time=99.000000000 size=6",
        "./dev/null type=char uid=5 gid=6 mode=0640 time=99.000000000 device=native,13,2",
        "./bin type=link uid=5 gid=6",
    ] {
        assert!(listed.contains(line), "{line}\n{listed}");
    }
    let build = ["build", "--tar", "-", "--out", "zfs.img"];
    place.image_fed(&build, &bytes).expect(0, "");
    assert!(fs::read(place.path("zfs.img")).unwrap() == first);
    let mut gzip = gzip::GzipWriter::new(Vec::new(), gzip::Level::Fast);
    std::io::Write::write_all(&mut gzip, &bytes).unwrap();
    place.image_fed(&build, &gzip.finish().unwrap()).expect(0, "");
    assert!(fs::read(place.path("zfs.img")).unwrap() == first);
    assert_eq!(place.names(), ["root", "t.tar", "zfs.img"]);
}

#[test]
fn datasets_have_trees_and_properties_of_their_own() {
    let place = Place::new();
    fs::create_dir_all(place.path("data/more")).unwrap();
    fs::write(place.path("data/more/file"), "of its own").unwrap();
    fs::write(
        place.path("pool.toml"),
        "[pool]\nname = \"tank\"\nfeatures = [\"lz4_compress\"]\ncompression = \"lz4\"\n\
         ashift = 12\nfailmode = \"wait\"\nbootfs = \"ROOT/one\"\n\
         [[dataset]]\nname = \"ROOT/one\"\ntree = \"root\"\nrecord-size = \"8K\"\n\
         snapshot = \"first\"\nproperties = { mountpoint = \"legacy\", canmount = \"noauto\" }\n\
         [[dataset]]\nname = \"data\"\ntree = \"data\"\ncompression = \"gzip-9\"\n\
         properties = { mountpoint = \"/data\", \"org.example:key\" = \"value\" }\n",
    )
    .unwrap();
    place.build(&["--description", "pool.toml"]);
    let names = place.image(&["ls", "zfs.img"]).expect(0, "").out;
    let names: Vec<&str> = names.lines().collect();
    for name in ["tank", "tank/ROOT", "tank/ROOT/one", "tank/ROOT/one@first", "tank/data"] {
        assert!(names.contains(&name), "{name}: {names:?}");
    }
    let read = place.image(&["cat", "zfs.img", "tank/data", "more/file"]).expect(0, "");
    assert_eq!(read.out, "of its own");
    let read = place.image(&["cat", "zfs.img", "tank/ROOT/one@first", "etc/motd"]).expect(0, "");
    assert_eq!(read.out, "hello\n");

    // The same with flags, judged by another reader of pools.
    let words = [
        "--name",
        "tank",
        "--pool-version",
        "28",
        "--dataset",
        "ROOT/one:mountpoint=legacy,canmount=noauto,tree=root",
        "--dataset",
        "data:tree=data,org.example:key=value",
        "--bootfs",
        "ROOT/one",
        "--property",
        "failmode=panic",
    ];
    let image = place.build(&words);
    let Some(mut zdb) = verifiers::require("zdb") else { return };
    let output = zdb.args(["-e", "-p"]).arg(&image).args(["-d", "tank"]).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && text.contains("Dataset tank/data [ZPL]"), "{output:?}");
}

#[test]
fn a_template_gives_the_options_of_the_pool() {
    let place = Place::new();
    let templates = Path::new(env!("CARGO_MANIFEST_DIR")).join("../image-templates/templates");
    let template = templates.join("sled/zfs.json");
    let words = ["build", "--tree", "root", "--plan", "--json", "--template"];
    let plan = |more: &[&str]| {
        let words = [&words[..], &[template.to_str().unwrap()], more].concat();
        place.image(&words).expect(0, "").json()
    };
    assert_eq!(plan(&[])["compression"], "gzip-9");
    assert_eq!(plan(&["--compression", "off"])["compression"], "off");
    assert_eq!(plan(&["--size", "100"])["footprint"]["pool"]["size"], 100 << 20);
}

/// One tree as it is, in a tar of GNU's, and with manifests of libarchive's and our own.
#[test]
fn a_tree_gives_the_same_image_in_every_form() {
    let place = Place::new();
    fs::hard_link(place.path("root/etc/motd"), place.path("root/etc/also")).unwrap();
    let file = fs::File::create(place.path("root/sparse")).unwrap();
    file.set_len(3_000_000).unwrap();
    std::os::unix::fs::FileExt::write_all_at(&file, b"here", 1_500_000).unwrap();
    let image = |words: &[&str]| fs::read(place.build(words)).unwrap();
    let tree = image(&["--tree", "root", "--owners", "from-disk"]);

    fs::write(place.path("own.mtree"), place.mtree(DATASET)).unwrap();
    assert!(image(&["--tree", "root", "--manifest", "own.mtree"]) == tree, "our own manifest");
    if let Some(mut bsdtar) = verifiers::require("bsdtar") {
        let words = "!all,type,uid,gid,mode,time,link,device,size,nlink,inode,resdevice,sha256";
        bsdtar.args(["--format=mtree", &format!("--options={words}"), "-cf"]);
        bsdtar.arg(place.path("other.mtree")).arg("-C").arg(place.path("root")).arg(".");
        assert!(bsdtar.status().unwrap().success());
        let other = image(&["--tree", "root", "--manifest", "other.mtree"]);
        assert!(other == tree, "libarchive's manifest");
    }
    if let Some(mut tar) = verifiers::require("tar") {
        // Access times would be there, too, and differ.
        let times = "--pax-option=delete=atime,delete=ctime";
        tar.args(["--format=posix", "--sort=name", "--sparse", "--numeric-owner", times, "-cf"]);
        tar.arg(place.path("t.tar")).arg("-C").arg(place.path("root")).arg(".");
        assert!(tar.status().unwrap().success());
        assert!(image(&["--tar", "t.tar"]) == tree, "GNU's tar");
    }
}
