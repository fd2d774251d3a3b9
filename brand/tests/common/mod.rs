//! A small system to install from, archives of any kind, and trees as data.
#![allow(dead_code, reason = "each test uses some of it")]

use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tempfile::TempDir;

pub(crate) type Result<T = ()> = std::result::Result<T, Box<dyn std::error::Error>>;

pub(crate) fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// A tree that plays `/`, and a zonepath beside it.
pub(crate) struct System {
    place: TempDir,
}

/// The time of everything that is generated, in seconds since the epoch.
const TIME: i64 = 1_500_000_000;

impl System {
    pub(crate) fn generate() -> Result<System> {
        let system = System { place: tempfile::tempdir()? };
        fs::create_dir(system.zonepath())?;
        for directory in [
            "usr/bin",
            "usr/lib/dtrace",
            "usr/lib/empty",
            "usr/lib/many",
            "usr/libexec",
            "usr/sbin",
            "usr/share/man/man1",
            "usr/share/locale/de",
            "usr/share/doc",
            "usr/gnu/sbin",
            "usr/gnu/bin",
            "usr/tmp",
            "lib/svc/manifest/system",
            "lib/svc/method",
            "lib/amd64",
            "sbin",
            "etc/default",
            "var/log",
            "usr/lib/brand/omicron1/baseline",
        ] {
            fs::create_dir_all(system.root().join(directory))?;
        }
        for (path, mode) in [
            ("usr/bin/ls", 0o555),
            ("usr/bin/su", 0o4555),
            ("usr/libexec/x", 0o755),
            ("usr/sbin/zoneadm", 0o555),
            ("usr/share/man/man1/ls.1", 0o444),
            ("usr/share/locale/de/x.mo", 0o444),
            ("usr/share/doc/notes.source", 0o644),
            ("usr/share/doc/notes", 0o640),
            ("usr/gnu/sbin/y", 0o755),
            ("usr/gnu/bin/z", 0o755),
            ("usr/lib/dtrace/io.d", 0o644),
            ("usr/lib/libc.so.1", 0o755),
            ("usr/lib/suid", 0o6755),
            ("lib/libm.so.2", 0o755),
            ("lib/svc/method/net", 0o555),
            ("lib/only.global", 0o600),
            ("lib/svc/manifest/system/gz.xml", 0o444),
            ("sbin/init", 0o555),
            ("etc/default/init", 0o640),
        ] {
            system.file(path, mode, &format!("this is {path}\n"))?;
        }
        for number in 0..300 {
            system.file(&format!("usr/lib/many/{number:03}"), 0o644, &"x".repeat(number * 7))?;
        }
        let at = |path: &str| system.root().join(path);
        fs::write(at("lib/big"), vec![7; 300 << 10])?;
        symlink("../var/adm", at("usr/adm"))?;
        symlink("amd64", at("lib/64"))?;
        fs::hard_link(at("usr/lib/dtrace/io.d"), at("usr/lib/dtrace/net.d"))?;
        fs::hard_link(at("usr/lib/dtrace/io.d"), at("usr/lib/alias.d"))?;
        fs::hard_link(at("usr/lib/dtrace/io.d"), at("usr/lib/linked.so"))?;
        for (path, mode) in [("usr/tmp", 0o1777), ("usr/lib/empty", 0o2750), ("usr/gnu", 0o555)] {
            fs::set_permissions(at(path), PermissionsExt::from_mode(mode))?;
        }

        Archive::baseline().write(&system.baseline("files.tar.gz"))?;
        fs::write(
            system.baseline("gzonly.txt"),
            "usr/sbin/zoneadm\nusr/not/there\nlib/only.global\n",
        )?;
        system.settle(Path::new("usr"))?;
        system.settle(Path::new("lib"))?;
        system.settle(Path::new("sbin"))?;
        Ok(system)
    }

    pub(crate) fn root(&self) -> PathBuf {
        self.place.path().join("system")
    }

    pub(crate) fn zonepath(&self) -> PathBuf {
        self.place.path().join("zone")
    }

    pub(crate) fn zone_root(&self) -> PathBuf {
        self.zonepath().join("root")
    }

    pub(crate) fn place(&self) -> &Path {
        self.place.path()
    }

    pub(crate) fn baseline(&self, file: &str) -> PathBuf {
        self.root().join("usr/lib/brand/omicron1/baseline").join(file)
    }

    pub(crate) fn file(&self, path: &str, mode: u32, text: &str) -> Result {
        let path = self.root().join(path);
        fs::write(&path, text)?;
        fs::set_permissions(&path, PermissionsExt::from_mode(mode))?;
        Ok(())
    }

    /// Gives everything below a path a time of its own, and owners where that is possible.
    fn settle(&self, path: &Path) -> Result {
        let full = self.root().join(path);
        let metadata = fs::symlink_metadata(&full)?;
        if metadata.is_dir() {
            let mut names: Vec<_> = fs::read_dir(&full)?
                .map(|e| e.map(|e| e.file_name()))
                .collect::<std::io::Result<_>>()?;
            names.sort();
            for name in names {
                self.settle(&path.join(name))?;
            }
        }
        let name_length = path.as_os_str().len();
        if is_root() {
            let [owner, group] = [3, 5].map(|count| verifiers::mapped(name_length as u32 % count));
            std::os::unix::fs::lchown(&full, Some(owner), Some(group))?;
            if !metadata.is_symlink() {
                // changing the owner has cleared setuid
                fs::set_permissions(&full, PermissionsExt::from_mode(metadata.mode() & 0o7777))?;
            }
        }
        let time = rustix::fs::Timespec { tv_sec: TIME + name_length as i64, tv_nsec: 123_000 };
        let times = rustix::fs::Timestamps { last_access: time, last_modification: time };
        let flags = rustix::fs::AtFlags::SYMLINK_NOFOLLOW;
        rustix::fs::utimensat(rustix::fs::CWD, &full, &times, flags)?;
        Ok(())
    }

    /// A command for the hook program, for this system and the zone `ntp`.
    pub(crate) fn brand(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_brand"));
        command.args(["-z", "ntp", "-R"]).arg(self.zonepath());
        command.arg("--system-root").arg(self.root());
        command
    }

    pub(crate) fn install(&self, layers: &[PathBuf]) -> Result<Output> {
        Ok(self.brand().arg("install").args(layers).output()?)
    }

    /// Names in the zonepath.
    pub(crate) fn left(&self) -> Result<Vec<String>> {
        let mut names: Vec<String> = fs::read_dir(self.zonepath())?
            .map(|entry| entry.map(|e| e.file_name().to_string_lossy().into_owned()))
            .collect::<std::io::Result<_>>()?;
        names.sort();
        Ok(names)
    }
}

pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[track_caller]
pub(crate) fn assert_exit(output: &Output, code: i32, message: &str) {
    let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
    assert_eq!(output.status.code(), Some(code), "{stdout}{stderr}");
    assert!(stderr.contains(message), "{message:?} is not in {stderr}");
}

/// One entry of a tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) kind: String,
    pub(crate) mode: u32,
    pub(crate) owner: (u32, u32),
    pub(crate) time: (i64, i64),
    pub(crate) inode: u64,
    pub(crate) links: u64,
}

impl Entry {
    /// Without what differs from one installation to the next.
    pub(crate) fn comparable(&self) -> (String, u32, (u32, u32)) {
        (self.kind.clone(), self.mode, self.owner)
    }
}

/// Everything below a directory, by relative path. Contents are part of `kind`.
pub(crate) fn list(root: &Path) -> Result<BTreeMap<String, Entry>> {
    let mut entries = BTreeMap::new();
    let mut queue = vec![PathBuf::new()];
    while let Some(path) = queue.pop() {
        let full = root.join(&path);
        let metadata = fs::symlink_metadata(&full)?;
        let kind = if metadata.is_dir() {
            for entry in fs::read_dir(&full)? {
                queue.push(path.join(entry?.file_name()));
            }
            "directory".into()
        } else if metadata.is_symlink() {
            format!("link {}", fs::read_link(&full)?.display())
        } else if metadata.is_file() {
            let content = fs::read(&full)?;
            let sum = content.iter().fold(14_695_981_039_346_656_037_u64, |sum, byte| {
                (sum ^ u64::from(*byte)).wrapping_mul(1_099_511_628_211)
            });
            format!("file {} {sum:x}", content.len())
        } else {
            "special".into()
        };
        entries.insert(
            path.display().to_string(),
            Entry {
                kind,
                mode: metadata.mode() & 0o7777,
                owner: (metadata.uid(), metadata.gid()),
                time: (metadata.mtime(), metadata.mtime_nsec()),
                inode: metadata.ino(),
                links: metadata.nlink(),
            },
        );
    }
    Ok(entries)
}

/// An archive put together byte by byte, so that it can be as wrong as we like.
pub(crate) struct Archive {
    tar: Vec<u8>,
}

impl Archive {
    pub(crate) fn new(archive_type: &str) -> Archive {
        let mut archive = Archive::empty();
        let json = format!("{{\"v\":\"1\",\"t\":\"{archive_type}\"}}\n");
        archive.file("oxide.json", 0o444, json.as_bytes());
        archive
    }

    pub(crate) fn empty() -> Archive {
        Archive { tar: Vec::new() }
    }

    pub(crate) fn layer() -> Archive {
        Archive::new("layer")
    }

    /// The baseline of the generated system.
    pub(crate) fn baseline() -> Archive {
        let mut baseline = Archive::new("baseline");
        for directory in ["", "/dev", "/etc", "/etc/default", "/lib", "/lib/svc", "/opt", "/var"] {
            baseline.directory(&format!("root{directory}"), 0o755);
        }
        baseline.directory("root/lib/svc/manifest", 0o755);
        baseline.file("root/lib/svc/manifest/zone.xml", 0o444, b"<zone/>");
        baseline.file("root/etc/default/init", 0o644, b"baseline");
        baseline.file("root/etc/shadow", 0o400, b"root:NP:::::::\n");
        baseline.file("ignored", 0o644, b"not below root/");
        baseline
    }

    /// Gives the next member this name, as GNU tar does.
    pub(crate) fn long_name(&mut self, name: &str) -> &mut Archive {
        let name = format!("{name}\0");
        self.member(b"././@LongLink", b'L', b"", 0, name.as_bytes())
    }

    /// A file that has no data and says it has as many as in this size field.
    pub(crate) fn sized(&mut self, name: &str, size: &[u8; 12]) -> &mut Archive {
        let start = self.tar.len();
        self.file(name, 0o644, b"");
        let header = &mut self.tar[start..start + 512];
        header[124..136].copy_from_slice(size);
        header[148..156].fill(b' ');
        let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
        header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        self
    }

    pub(crate) fn member(
        &mut self,
        name: &[u8],
        flag: u8,
        link: &[u8],
        mode: u32,
        data: &[u8],
    ) -> &mut Archive {
        let mut header = [0_u8; 512];
        let mut put = |at: usize, bytes: &[u8]| header[at..at + bytes.len()].copy_from_slice(bytes);
        put(0, name);
        put(100, format!("{mode:07o}").as_bytes());
        put(108, b"0000000");
        put(116, format!("{:07o}", verifiers::mapped(3)).as_bytes());
        put(124, format!("{:011o}", data.len()).as_bytes());
        put(136, format!("{TIME:011o}").as_bytes());
        put(148, b"        ");
        put(156, &[flag]);
        put(157, link);
        put(257, b"ustar\x0000");
        let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
        header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        self.tar.extend(header);
        self.tar.extend(data);
        self.tar.resize(self.tar.len().next_multiple_of(512), 0);
        self
    }

    pub(crate) fn file(&mut self, name: &str, mode: u32, data: &[u8]) -> &mut Archive {
        self.member(name.as_bytes(), b'0', b"", mode, data)
    }

    pub(crate) fn directory(&mut self, name: &str, mode: u32) -> &mut Archive {
        self.member(format!("{name}/").as_bytes(), b'5', b"", mode, b"")
    }

    pub(crate) fn symlink(&mut self, name: &str, target: &str) -> &mut Archive {
        self.member(name.as_bytes(), b'2', target.as_bytes(), 0o777, b"")
    }

    pub(crate) fn hardlink(&mut self, name: &str, target: &str) -> &mut Archive {
        self.member(name.as_bytes(), b'1', target.as_bytes(), 0, b"")
    }

    /// The compressed archive.
    pub(crate) fn bytes(&self) -> Result<Vec<u8>> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(&self.tar)?;
        encoder.write_all(&[0; 1024])?;
        Ok(encoder.finish()?)
    }

    pub(crate) fn write(&self, path: &Path) -> Result {
        Ok(fs::write(path, self.bytes()?)?)
    }
}
