//! What is broken.

use std::fmt;
use std::io;

use serde::Serialize;

/// Something that is wrong in a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Damage {
    /// The member it concerns, if the file has members.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub member: Option<String>,
    /// Where, in bytes; of the uncompressed form when the file is compressed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub offset: Option<u64>,
    /// What is wrong.
    pub problem: String,
}

impl Damage {
    pub(crate) fn new(problem: impl Into<String>) -> Self {
        Self { member: None, offset: None, problem: problem.into() }
    }

    pub(crate) fn at(self, offset: u64) -> Self {
        Self { offset: Some(offset), ..self }
    }

    /// Damage inside a member. When it already names a member of that member, both are named.
    pub(crate) fn inside(self, member: impl Into<String>) -> Self {
        let outer = member.into();
        let member = match self.member {
            Some(inner) => format!("{outer}: {inner}"),
            None => outer,
        };
        Self { member: Some(member), ..self }
    }
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(member) = &self.member {
            write!(f, "{member}: ")?;
        }
        f.write_str(&self.problem)?;
        if let Some(offset) = self.offset {
            write!(f, " (byte {offset})")?;
        }
        Ok(())
    }
}

/// Splits errors of the readers into damage and trouble with the machine.
pub(crate) trait IntoDamage: Sized {
    fn damage(self) -> Result<Damage, io::Error>;
}

impl IntoDamage for oxide_archive::Error {
    fn damage(self) -> Result<Damage, io::Error> {
        use oxide_archive::Error as E;
        Ok(match self {
            E::Io { source, .. } => return Err(source),
            E::Compressed { member, damage, .. } => {
                let damage = Damage::new(damage.to_string());
                match member {
                    Some(member) => damage.inside(member),
                    None => damage,
                }
            }
            E::Damaged { offset, member, problem, .. } => {
                Damage { member, offset: Some(offset), problem }
            }
            E::Refused { member, problem, .. } => {
                Damage::new(format!("cannot be unpacked: {problem}")).inside(member)
            }
            E::Metadata { problem, .. } => Damage::new(problem).inside("oxide.json"),
            other => Damage::new(other.to_string()),
        })
    }
}

impl IntoDamage for boot_image::Error {
    fn damage(self) -> Result<Damage, io::Error> {
        use boot_image::Error as E;
        Ok(match self {
            E::Io { source, .. } => return source.damage(),
            E::Cpio { offset, member, problem, .. } => {
                Damage { member, offset: Some(offset), problem }
            }
            E::Header { problem, .. } => Damage::new(problem),
            E::Digest { stated, found, .. } => {
                Damage::new(format!("its data have sha256 {found}, its header says {stated}"))
            }
            other => Damage::new(other.to_string()),
        })
    }
}

impl IntoDamage for io::Error {
    fn damage(self) -> Result<Damage, io::Error> {
        match gzip::Error::of(&self) {
            Some(damage) => Ok(Damage::new(damage.to_string())),
            None => Err(self),
        }
    }
}
