//! Zones that start without the service management facility.
//!
//! init(8) of illumos insists on an entry `smf` in `/etc/inittab`: without one it asks for
//! maintenance and starts nothing. It runs that entry's command with `/sbin/sh -c`, not waiting for
//! it, and again when it and all processes that it started have ended; after three ends within
//! fifteen seconds it gives up and asks for maintenance. Its level and action are not looked at. So
//! what stands there is no service manager but a script that becomes the program.

use std::collections::BTreeMap;

use proto::{Metadata, Mtime, ProtoPath};

use crate::Error;

/// The script that init starts.
const START: &str = "etc/boot.rc";
/// Where scripts to run before the program are.
const SCRIPTS: &str = "etc/boot.d";
/// The longest command of the entry `smf` that init keeps, with the `exec ` that it puts in front.
const LONGEST_ENTRY: usize = 255;
/// The longest line that a shell script should have.
const LONGEST_COMMAND: usize = 4096;

/// How a zone starts without services.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Boot {
    /// The command line, for `/sbin/sh`. When it has ended, with all that it and the scripts left
    /// running, it is started again.
    pub command: String,
    /// Scripts that run before it, once after each boot of the zone, in this order.
    pub scripts: Vec<Script>,
}

/// A script that comes from outside the proto root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Script {
    /// Its name, without a directory.
    pub name: String,
    /// Its text, which begins with `#!`.
    pub text: Vec<u8>,
}

/// Something that is in no proto root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Made {
    Directory(Metadata),
    File(Metadata, Vec<u8>),
}

impl Boot {
    /// Checks what would end in a zone that does not start.
    pub(crate) fn check(&self) -> Result<(), Error> {
        let wrong = |problem: String| Err(Error::Boot { problem });
        let command = self.command.trim();
        if command.is_empty() {
            return wrong("the command to run is empty".into());
        }
        if command.len() > LONGEST_COMMAND || command.contains(['\n', '\0']) {
            let problem = "the command to run is longer than a line of 4096 bytes";
            return wrong(format!("{problem}: put it into a script"));
        }
        for script in &self.scripts {
            let Script { name, text } = script;
            let plain = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
            if name.is_empty() || name.starts_with('.') || !name.chars().all(plain) {
                return wrong(format!("{name:?} is no plain name for a script"));
            }
            if script.interpreter().is_none() {
                return wrong(format!("the script {name} does not begin with #!"));
            }
            if self.scripts.iter().filter(|other| other.name == *name).count() > 1 {
                return wrong(format!("there are two scripts named {name}"));
            }
            if text.contains(&0) {
                return wrong(format!("the script {name} has a NUL: it is no text"));
            }
        }
        Ok(())
    }

    /// The files and directories that make a closure a root that starts. `accounts` are the texts
    /// of `passwd`, `group` and `shadow` in the proto root, where it has them; `has` tells whether
    /// a path is in the closure.
    pub(crate) fn files(
        &self,
        accounts: &Accounts,
        has: &dyn Fn(&str) -> bool,
        mtime: Mtime,
    ) -> Result<BTreeMap<ProtoPath, Made>, Error> {
        let mut made = BTreeMap::new();
        let mut add = |path: &str, thing: Made| {
            made.insert(ProtoPath::new(path).map_err(proto::Error::from)?, thing);
            Ok::<(), Error>(())
        };
        for (path, mode, gid) in DIRECTORIES {
            add(path, Made::Directory(Metadata::owned(*mode, 0, *gid).at(mtime)))?;
        }
        let file = |mode, gid, text: &str| {
            Made::File(Metadata::owned(mode, 0, gid).at(mtime), text.as_bytes().to_vec())
        };
        // mount points of the platform, which are files
        add("etc/mnttab", file(0o444, ROOT, ""))?;
        add("etc/dfs/sharetab", file(0o444, ROOT, ""))?;
        // what init and login write to, if it is there
        add("var/adm/utmpx", file(0o644, BIN, ""))?;
        add("var/adm/wtmpx", file(0o644, BIN, ""))?;
        if !has("etc/default/init") {
            add("etc/default/init", file(0o644, SYS, "TZ=UTC\nCMASK=022\n"))?;
        }
        add("etc/passwd", file(0o644, SYS, &accounts.passwd(has)))?;
        add("etc/group", file(0o644, SYS, accounts.group()))?;
        add("etc/shadow", file(0o400, SYS, accounts.shadow()))?;
        add("etc/inittab", file(0o644, SYS, &inittab()))?;
        add(START, file(0o744, SYS, &self.start()))?;
        for (number, script) in self.scripts.iter().enumerate() {
            let path = format!("{}/{}", SCRIPTS, self.script_name(number, script));
            let metadata = Metadata::owned(0o744, 0, SYS).at(mtime);
            add(&path, Made::File(metadata, script.text.clone()))?;
        }
        Ok(made)
    }

    /// Numbered, for the shell sorts names.
    fn script_name(&self, number: usize, script: &Script) -> String {
        format!("{:03}-{}", number + 1, script.name)
    }

    /// The script that init starts.
    fn start(&self) -> String {
        format!(
            "#!/sbin/sh\n\
             # Started by init in place of svc.startd; started again when it ends.\n\
             PATH=/usr/sbin:/usr/bin:/sbin\n\
             export PATH\n\
             # /etc/svc/volatile is empty after each boot of the zone\n\
             if [ ! -f /etc/svc/volatile/booted ]; then\n\
             \tfor script in /{SCRIPTS}/*; do\n\
             \t\tif [ -x \"$script\" ]; then\n\
             \t\t\techo \"running $script\"\n\
             \t\t\t\"$script\" || echo \"$script failed: status $?\"\n\
             \t\tfi\n\
             \tdone\n\
             \t: > /etc/svc/volatile/booted\n\
             fi\n\
             exec {}\n",
            self.command.trim()
        )
    }
}

impl Script {
    /// The program of its first line.
    pub(crate) fn interpreter(&self) -> Option<String> {
        let line = self.text.strip_prefix(b"#!")?.split(|&byte| byte == b'\n').next()?;
        let line = str::from_utf8(line).ok()?;
        line.split_whitespace().next().filter(|path| path.starts_with('/')).map(str::to_owned)
    }
}

/// All of init's table: the one entry that it asks for.
fn inittab() -> String {
    let command = format!("/{START} </dev/console >/dev/console 2>&1");
    debug_assert!("exec ".len() + command.len() <= LONGEST_ENTRY);
    format!(
        "# init starts the entry smf, whatever it is, and nothing without it. See inittab(5).\n\
         smf::sysinit:{command}\n"
    )
}

const ROOT: u32 = 0;
const BIN: u32 = 2;
const SYS: u32 = 3;

/// Directories of a root, with mode and group: what programs write to, and the mount points of a
/// zone's platform.
const DIRECTORIES: &[(&str, u32, u32)] = &[
    ("dev", 0o755, SYS),
    ("etc", 0o755, SYS),
    ("etc/default", 0o755, SYS),
    ("etc/dfs", 0o755, SYS),
    ("etc/svc", 0o755, SYS),
    ("etc/svc/volatile", 0o755, SYS),
    (SCRIPTS, 0o755, SYS),
    ("opt", 0o755, SYS),
    ("proc", 0o555, ROOT),
    ("root", 0o700, ROOT),
    ("system", 0o755, ROOT),
    ("system/contract", 0o555, ROOT),
    ("system/object", 0o555, ROOT),
    ("tmp", 0o1777, SYS),
    ("var", 0o755, SYS),
    ("var/adm", 0o775, SYS),
    ("var/log", 0o755, SYS),
    ("var/run", 0o755, SYS),
    ("var/tmp", 0o1777, SYS),
];

/// Account files of the proto root.
#[derive(Debug, Clone, Default)]
pub(crate) struct Accounts {
    pub(crate) passwd: Option<String>,
    pub(crate) group: Option<String>,
    pub(crate) shadow: Option<String>,
}

impl Accounts {
    /// Those of the proto root, with `/sbin/sh` for shells that are not in the closure.
    fn passwd(&self, has: &dyn Fn(&str) -> bool) -> String {
        let Some(passwd) = &self.passwd else {
            return "root:x:0:0:Super-User:/root:/sbin/sh\n".into();
        };
        let line = |line: &str| match line.rsplit_once(':') {
            Some((rest, shell)) if shell.starts_with('/') && !has(shell) => {
                format!("{rest}:/sbin/sh\n")
            }
            _ => format!("{line}\n"),
        };
        passwd.lines().map(line).collect()
    }

    fn group(&self) -> &str {
        self.group
            .as_deref()
            .unwrap_or("root::0:\nother::1:root\nbin::2:root\nsys::3:root\nadm::4:root\n")
    }

    /// Without a file nobody gets in with a password.
    fn shadow(&self) -> &str {
        self.shadow.as_deref().unwrap_or("root:NP:::::::\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn boot(command: &str) -> Boot {
        Boot { command: command.into(), scripts: Vec::new() }
    }

    #[test]
    fn the_table_has_what_init_reads() {
        let text = inittab();
        let entries: Vec<Vec<&str>> = text
            .lines()
            .filter(|line| !line.starts_with('#'))
            .map(|line| line.splitn(4, ':').collect())
            .collect();
        assert_eq!(entries.len(), 1);
        let [id, levels, action, command] = entries[0][..] else { panic!("{entries:?}") };
        assert_eq!((id, levels, action), ("smf", "", "sysinit"));
        assert!(command.starts_with("/etc/boot.rc "));
        assert!("exec ".len() + command.len() <= LONGEST_ENTRY);
    }

    #[test]
    fn what_would_not_start_is_an_error() {
        let check = |boot: &Boot| boot.check().map_err(|error| error.to_string());
        assert_eq!(check(&boot("/usr/bin/x -f 'a b'")), Ok(()));
        for command in ["", "  ", "a\nb", &"x".repeat(5000)] {
            assert!(check(&boot(command)).is_err(), "{command}");
        }
        let script = |name: &str, text: &str| Script { name: name.into(), text: text.into() };
        let with = |scripts| check(&Boot { scripts, ..boot("x") });
        assert_eq!(with(vec![script("net.rc", "#!/sbin/sh\n")]), Ok(()));
        for (name, text) in [
            ("a/b", "#!/sbin/sh"),
            ("", "#!/sbin/sh"),
            (".x", "#!/sbin/sh"),
            ("x", "echo"),
            ("x", "#!sh"),
        ] {
            assert!(with(vec![script(name, text)]).is_err(), "{name} {text}");
        }
        let twice = vec![script("x", "#!/a"), script("x", "#!/b")];
        assert!(with(twice).is_err_and(|error| error.contains("two scripts")));
    }

    #[test]
    fn shells_that_are_not_there_become_sh() {
        let accounts = Accounts {
            passwd: Some(
                "root:x:0:0::/root:/usr/bin/bash\nsys:x:3:3::/:\nx:x:9:9::/:/bin/x\n".into(),
            ),
            ..Accounts::default()
        };
        assert_eq!(
            accounts.passwd(&|path| path == "/bin/x"),
            "root:x:0:0::/root:/sbin/sh\nsys:x:3:3::/:\nx:x:9:9::/:/bin/x\n"
        );
    }
}
