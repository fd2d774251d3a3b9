//! What a set of programs needs, and why.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use proto::ProtoPath;

/// Why a path is there.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reason {
    /// It was asked for.
    Program,
    /// A feature needs it.
    Feature(&'static str),
    /// A zone starts with it.
    Boot,
    /// This script, which is in no proto root, is run by it.
    Script(String),
    /// A locale that was asked for.
    Locale,
    /// It is where a symbolic link leads.
    Link,
    /// It is a link to a directory on the way to something.
    DirectoryLink,
    /// It is the interpreter of an ELF file or a script.
    Interpreter,
    /// `DT_NEEDED` with this name.
    Needed(String),
    /// `DT_FILTER` with this name.
    Filter(String),
    /// `DT_AUXILIARY` with this name.
    Auxiliary(String),
    /// `isaexec` starts it.
    Isaexec,
    /// This configuration file declares it as a plug-in.
    Plugin(ProtoPath),
    /// It is a configuration file that says which plug-ins there are.
    Configuration,
    /// A method of a service.
    Method,
    /// It lies in a directory that was asked for.
    Below,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Program => f.write_str("asked for"),
            Self::Feature(name) => write!(f, "part of {name}"),
            Self::Boot => f.write_str("to start"),
            Self::Script(name) => write!(f, "interpreter of the script {name}"),
            Self::Locale => f.write_str("locale asked for"),
            Self::Link => f.write_str("target of the link"),
            Self::DirectoryLink => f.write_str("link on the way"),
            Self::Interpreter => f.write_str("interpreter"),
            Self::Needed(name) => write!(f, "needed as {name}"),
            Self::Filter(name) => write!(f, "filtee {name}"),
            Self::Auxiliary(name) => write!(f, "auxiliary filtee {name}"),
            Self::Isaexec => f.write_str("started by isaexec"),
            Self::Plugin(file) => write!(f, "plug-in declared by {file}"),
            Self::Configuration => f.write_str("configuration"),
            Self::Method => f.write_str("service method"),
            Self::Below => f.write_str("in the directory"),
        }
    }
}

/// One path of a closure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// What asked for it first; none for what the caller asked for.
    pub from: Option<ProtoPath>,
    /// Why.
    pub reason: Reason,
    /// Bytes of the file; 0 for links and directories.
    pub size: u64,
    /// The word for its type.
    pub kind: &'static str,
}

/// Everything that programs need, links included, parent directories not.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Closure {
    /// By path.
    pub members: BTreeMap<ProtoPath, Member>,
    /// What the caller should know: plug-ins that are declared and not there.
    pub warnings: BTreeSet<String>,
}

impl Closure {
    /// The way from what was asked for to a path, that path last; empty if it is no member.
    pub fn chain(&self, path: &ProtoPath) -> Vec<(&ProtoPath, &Member)> {
        let mut chain = Vec::new();
        let mut next = Some(path);
        while let Some((path, member)) = next.and_then(|path| self.members.get_key_value(path)) {
            chain.push((path, member));
            next = member.from.as_ref();
        }
        chain.reverse();
        chain
    }

    /// The chain in words, one line for each step.
    pub fn why(&self, path: &ProtoPath) -> Option<String> {
        let chain = self.chain(path);
        let lines = chain.iter().enumerate().map(|(depth, (path, member))| {
            format!("{:width$}{path} ({})", "", member.reason, width = 2 * depth)
        });
        (!chain.is_empty()).then(|| lines.collect::<Vec<_>>().join("\n"))
    }

    /// Bytes of all files. Hard links count each time, though an archive holds the bytes once.
    pub fn bytes(&self) -> u64 {
        self.members.values().map(|member| member.size).sum()
    }

    /// Every member below what asked for it first, with its size and that of all below it.
    pub fn tree(&self) -> String {
        let mut children: BTreeMap<Option<&ProtoPath>, Vec<&ProtoPath>> = BTreeMap::new();
        for (path, member) in &self.members {
            children.entry(member.from.as_ref()).or_default().push(path);
        }
        let mut totals: BTreeMap<&ProtoPath, u64> = BTreeMap::new();
        for (path, member) in &self.members {
            for (above, _) in self.chain(path) {
                *totals.entry(above).or_default() += member.size;
            }
        }
        let mut text = format!("{:>12} {:>12}  path (why)\n", "bytes", "with below");
        let mut pending: Vec<(usize, &ProtoPath)> =
            children.get(&None).into_iter().flatten().rev().map(|path| (0, *path)).collect();
        while let Some((depth, path)) = pending.pop() {
            let Some(member) = self.members.get(path) else { continue };
            let total = totals.get(path).copied().unwrap_or_default();
            text += &format!(
                "{:>12} {total:>12}  {:width$}{path} ({})\n",
                member.size,
                "",
                member.reason,
                width = 2 * depth
            );
            let below = children.get(&Some(path)).into_iter().flatten().rev();
            pending.extend(below.map(|path| (depth + 1, *path)));
        }
        text += &format!("{:>12} {:>12}  {} paths", "", self.bytes(), self.members.len());
        text
    }
}
