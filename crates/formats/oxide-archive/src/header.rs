//! The 512-byte header block of POSIX.1-1988 (ustar), and pax records (POSIX.1-2001).

use proto::{Device, Metadata, Mtime};

use crate::member::{Member, MemberKind};
use crate::sparse::Records;

/// Everything in a tar is a multiple of this.
pub(crate) const BLOCK: usize = 512;
/// The zero bytes that follow data to the next block.
pub(crate) fn padding(size: u64) -> u64 {
    size.wrapping_neg() % BLOCK as u64
}

const NAME: usize = 100;
const PREFIX: usize = 155;
const S_IFMT: u32 = 0o170_000;

/// A header block as it stands, before extensions are applied.
#[derive(Debug, Clone)]
pub(crate) struct Raw {
    pub(crate) name: Vec<u8>,
    pub(crate) link: Vec<u8>,
    pub(crate) type_flag: u8,
    pub(crate) size: u64,
    mode: u32,
    uid: u64,
    gid: u64,
    mtime: i64,
    device: Device,
    /// Why the device numbers could not be read, which matters only for devices.
    device_problem: Option<String>,
}

/// Values of extension headers that take the place of those in the header block.
#[derive(Debug, Clone, Default)]
pub(crate) struct Extensions {
    pub(crate) name: Option<Vec<u8>>,
    pub(crate) link: Option<Vec<u8>>,
    pub(crate) size: Option<u64>,
    uid: Option<u64>,
    gid: Option<u64>,
    mtime: Option<Mtime>,
    major: Option<u64>,
    minor: Option<u64>,
    attributes: Vec<String>,
    pub(crate) sparse: Option<Records>,
}

impl Raw {
    /// Reads a header block that is not all zero.
    pub(crate) fn parse(block: &[u8; BLOCK]) -> Result<Self, String> {
        let sum: u32 = block.iter().map(|&b| u32::from(b)).sum();
        let field: u32 = block[148..156].iter().map(|&b| u32::from(b)).sum();
        let computed = sum - field + 8 * u32::from(b' ');
        let stated = number(&block[148..156], "checksum")?;
        if stated != i64::from(computed) {
            return Err(format!("the header's checksum is {stated}, its bytes give {computed}"));
        }
        // `ustar\0` is POSIX; GNU writes `ustar  ` and uses the prefix for other things.
        let posix = &block[257..263] == b"ustar\0";
        let mut name = text(&block[..NAME]).to_vec();
        if posix && block[345] != 0 {
            name = [text(&block[345..345 + PREFIX]), &name].join(&b'/');
        }
        let unsigned = |range: std::ops::Range<usize>, what| {
            let value = number(&block[range], what)?;
            u64::try_from(value).map_err(|_| format!("the {what} is negative"))
        };
        let mut device_problem = None;
        let mut device = |range: std::ops::Range<usize>| {
            // Some writers leave rubbish there for other types.
            number(&block[range], "device number")
                .and_then(device_number)
                .map_err(|problem| device_problem = Some(problem))
                .unwrap_or(0)
        };
        let device = Device { major: device(329..337), minor: device(337..345) };
        Ok(Self {
            name,
            link: text(&block[157..157 + NAME]).to_vec(),
            type_flag: block[156],
            size: unsigned(124..136, "size")?,
            mode: u32::try_from(unsigned(100..108, "mode")?)
                .map_err(|_| "the mode is too large".to_owned())?,
            uid: unsigned(108..116, "owner")?,
            gid: unsigned(116..124, "group")?,
            mtime: number(&block[136..148], "time")?,
            device,
            device_problem,
        })
    }

    /// The member that this header and the extensions before it describe.
    pub(crate) fn into_member(mut self, ext: Extensions, offset: u64) -> Result<Member, String> {
        let mut name = ext.name.unwrap_or(self.name);
        let link = ext.link.unwrap_or(self.link);
        let size = ext.size.unwrap_or(self.size);
        if let b'3' | b'4' = self.type_flag {
            let Device { major, minor } = &mut self.device;
            for (number, given) in [(major, ext.major), (minor, ext.minor)] {
                if let Some(given) = given {
                    *number = device_number(given)?;
                    self.device_problem = None;
                }
            }
            if let Some(problem) = self.device_problem {
                return Err(problem);
            }
        }
        // Ancient tars know no directories but by the slash.
        let kind = match self.type_flag {
            0 if name.ends_with(b"/") => MemberKind::Directory,
            0 | b'0' | b'7' | b'S' => MemberKind::File,
            b'1' => MemberKind::Hardlink { target: link },
            b'2' => MemberKind::Symlink { target: link },
            b'3' => MemberKind::CharacterDevice(self.device),
            b'4' => MemberKind::BlockDevice(self.device),
            b'5' => MemberKind::Directory,
            b'6' => MemberKind::Fifo,
            other => {
                return Err(format!("unknown member type `{}`", char::from(other).escape_debug()));
            }
        };
        if kind != MemberKind::File && size != 0 {
            return Err(format!("a {} with {size} bytes of data", kind.word()));
        }
        if name.is_empty() {
            return Err("the member has no name".to_owned());
        }
        if kind == MemberKind::Directory && !name.ends_with(b"/") {
            name.push(b'/');
        }
        let id = |id: u64, what| {
            u32::try_from(id).map_err(|_| format!("the {what} {id} is larger than any system's"))
        };
        let metadata = Metadata {
            mode: self.mode & 0o7777,
            uid: id(ext.uid.unwrap_or(self.uid), "owner")?,
            gid: id(ext.gid.unwrap_or(self.gid), "group")?,
            mtime: ext.mtime.unwrap_or(Mtime::from_seconds(self.mtime)),
        };
        // Some writers leave the type in the mode; then it must be the right one.
        let format = self.mode & !0o7777;
        if format != 0 && format != type_bits(&kind) {
            return Err(format!("mode {:o} does not belong to a {}", self.mode, kind.word()));
        }
        let (extended_attributes, sparse) = (ext.attributes, false);
        Ok(Member { name, kind, size, metadata, extended_attributes, sparse, offset })
    }
}

fn device_number(number: impl TryInto<u32> + Copy + std::fmt::Display) -> Result<u32, String> {
    number.try_into().map_err(|_| format!("the device number {number} is not below 2^32"))
}

fn type_bits(kind: &MemberKind) -> u32 {
    S_IFMT
        & match kind {
            MemberKind::File | MemberKind::Hardlink { .. } => 0o100_000,
            MemberKind::Directory => 0o040_000,
            MemberKind::Symlink { .. } => 0o120_000,
            MemberKind::CharacterDevice(_) => 0o020_000,
            MemberKind::BlockDevice(_) => 0o060_000,
            MemberKind::Fifo => 0o010_000,
        }
}

impl Extensions {
    /// Whether no value is replaced.
    pub(crate) fn is_empty(&self) -> bool {
        let Self { name, link, size, uid, gid, mtime, major, minor, attributes, sparse } = self;
        name.is_none()
            && link.is_none()
            && size.is_none()
            && uid.is_none()
            && gid.is_none()
            && mtime.is_none()
            && major.is_none()
            && minor.is_none()
            && attributes.is_empty()
            && sparse.is_none()
    }

    /// Applies the records of a pax header.
    pub(crate) fn read_pax(&mut self, mut data: &[u8]) -> Result<(), String> {
        while !data.is_empty() {
            let bad = || "a pax record is malformed".to_owned();
            let space = data.iter().take(12).position(|&b| b == b' ').ok_or_else(bad)?;
            let length: usize = std::str::from_utf8(&data[..space])
                .ok()
                .filter(|digits| digits.bytes().all(|b| b.is_ascii_digit()))
                .and_then(|digits| digits.parse().ok())
                .ok_or_else(bad)?;
            if length <= space + 1 || length > data.len() || data[length - 1] != b'\n' {
                return Err(bad());
            }
            let record = &data[space + 1..length - 1];
            let equals = record.iter().position(|&b| b == b'=').ok_or_else(bad)?;
            self.apply(&record[..equals], &record[equals + 1..])?;
            data = &data[length..];
        }
        Ok(())
    }

    fn apply(&mut self, key: &[u8], value: &[u8]) -> Result<(), String> {
        let text = || std::str::from_utf8(value).unwrap_or("");
        let integer = || {
            let text = text();
            if !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) {
                text.parse::<u64>().ok()
            } else {
                None
            }
            .ok_or_else(|| format!("pax {}: not a number", String::from_utf8_lossy(key)))
        };
        match key {
            b"path" => self.name = Some(value.to_vec()),
            b"linkpath" => self.link = Some(value.to_vec()),
            b"size" => self.size = Some(integer()?),
            b"uid" => self.uid = Some(integer()?),
            b"gid" => self.gid = Some(integer()?),
            b"mtime" => {
                self.mtime = Some(parse_time(text()).ok_or("pax mtime: not a time")?);
            }
            b"SCHILY.devmajor" => self.major = Some(integer()?),
            b"SCHILY.devminor" => self.minor = Some(integer()?),
            _ if key.starts_with(b"SCHILY.acl.") => self.attributes.push("ACL".to_owned()),
            // Names of owners, further times, comments and what vendors say: not used here.
            _ => {
                if let Some(key) = key.strip_prefix(b"GNU.sparse.") {
                    return self.sparse.get_or_insert_default().apply(key, value);
                }
                let name = key
                    .strip_prefix(b"SCHILY.xattr.")
                    .or_else(|| key.strip_prefix(b"LIBARCHIVE.xattr."));
                self.attributes.extend(name.map(|name| String::from_utf8_lossy(name).into_owned()));
            }
        }
        Ok(())
    }
}

fn parse_time(text: &str) -> Option<Mtime> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let (negative, digits) = match whole.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, whole),
    };
    if digits.is_empty() || !digits.bytes().chain(fraction.bytes()).all(|b| b.is_ascii_digit()) {
        return None;
    }
    let seconds: i64 = digits.parse().ok()?;
    let nanoseconds: u32 = format!("{:0<9.9}", fraction).parse().ok()?;
    Some(match (negative, nanoseconds) {
        (false, _) => Mtime { seconds, nanoseconds },
        (true, 0) => Mtime { seconds: -seconds, nanoseconds },
        (true, _) => Mtime { seconds: -seconds - 1, nanoseconds: 1_000_000_000 - nanoseconds },
    })
}

/// The prefix of a time that is before the epoch counts down; this is its decimal form.
fn format_time(time: Mtime) -> String {
    let (sign, seconds, nanoseconds) = match (time.seconds < 0, time.nanoseconds) {
        (false, nanoseconds) => ("", time.seconds.unsigned_abs(), nanoseconds),
        (true, 0) => ("-", time.seconds.unsigned_abs(), 0),
        (true, nanoseconds) => ("-", time.seconds.unsigned_abs() - 1, 1_000_000_000 - nanoseconds),
    };
    let text = format!("{sign}{seconds}.{nanoseconds:09}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// A text field: up to the first NUL.
fn text(field: &[u8]) -> &[u8] {
    field.split(|&b| b == 0).next().unwrap_or_default()
}

/// A numeric field: octal digits between blanks, or GNU's big-endian binary form.
pub(crate) fn number(field: &[u8], what: &str) -> Result<i64, String> {
    let bad = || format!("the {what} is not a number");
    if field[0] & 0x80 != 0 {
        // Bit 6 of the first byte is the sign; everything must fit into 64 bits.
        let negative = field[0] & 0x40 != 0;
        let first = if negative { field[0] } else { field[0] & 0x7f };
        let mut value = if negative { -1i128 } else { 0 };
        for &byte in std::iter::once(&first).chain(&field[1..]) {
            value = (value << 8) | i128::from(byte);
        }
        return i64::try_from(value).map_err(|_| format!("the {what} is too large"));
    }
    let trimmed = field.split(|&b| b == 0).next().unwrap_or_default().trim_ascii();
    let mut value = 0i64;
    for &digit in trimmed {
        if !(b'0'..=b'7').contains(&digit) {
            return Err(bad());
        }
        value = value * 8 + i64::from(digit - b'0');
    }
    Ok(value)
}

/// The blocks before a member's data: the header, and a pax header before it if a value does not
/// fit.
pub(crate) fn encode(member: &Member) -> Result<Vec<u8>, String> {
    let mut pax = Vec::new();
    let mut block = [0u8; BLOCK];
    match split_name(&member.name) {
        Some((prefix, name)) => {
            block[..name.len()].copy_from_slice(name);
            block[345..345 + prefix.len()].copy_from_slice(prefix);
        }
        None => {
            record(&mut pax, "path", &member.name);
            block[..NAME].copy_from_slice(&member.name[..NAME]);
        }
    }
    octal(&mut block[100..108], u64::from(member.metadata.mode & 0o7777));
    for (range, key, id) in
        [(108..116, "uid", member.metadata.uid), (116..124, "gid", member.metadata.gid)]
    {
        if id > 0o7_777_777 {
            record(&mut pax, key, id.to_string().as_bytes());
        }
        octal(&mut block[range], u64::from(id.min(0o7_777_777)));
    }
    const LARGEST: u64 = 0o77_777_777_777;
    if member.size > LARGEST {
        record(&mut pax, "size", member.size.to_string().as_bytes());
    }
    octal(&mut block[124..136], member.size.min(LARGEST));
    let mtime = member.metadata.mtime;
    let seconds = u64::try_from(mtime.seconds).unwrap_or(0).min(LARGEST);
    if mtime != (Mtime { seconds: seconds as i64, nanoseconds: 0 }) {
        record(&mut pax, "mtime", format_time(mtime).as_bytes());
    }
    octal(&mut block[136..148], seconds);
    let (flag, link, device): (u8, &[u8], _) = match &member.kind {
        MemberKind::File => (b'0', b"", None),
        MemberKind::Hardlink { target } => (b'1', target, None),
        MemberKind::Symlink { target } => (b'2', target, None),
        MemberKind::CharacterDevice(device) => (b'3', b"", Some(*device)),
        MemberKind::BlockDevice(device) => (b'4', b"", Some(*device)),
        MemberKind::Directory => (b'5', b"", None),
        MemberKind::Fifo => (b'6', b"", None),
    };
    block[156] = flag;
    if link.len() > NAME {
        record(&mut pax, "linkpath", link);
    }
    let shown = &link[..link.len().min(NAME)];
    block[157..157 + shown.len()].copy_from_slice(shown);
    block[257..265].copy_from_slice(b"ustar\x0000");
    let device = device.unwrap_or(Device { major: 0, minor: 0 });
    if device.major.max(device.minor) > 0o7_777_777 {
        return Err("its device numbers are too large for a tar".to_owned());
    }
    octal(&mut block[329..337], u64::from(device.major));
    octal(&mut block[337..345], u64::from(device.minor));
    seal(&mut block);

    let mut blocks = Vec::with_capacity(BLOCK);
    if !pax.is_empty() {
        let mut extension = [0u8; BLOCK];
        let name = b"././@PaxHeader";
        extension[..name.len()].copy_from_slice(name);
        for (range, value) in
            [(100..108, 0o644), (108..116, 0), (116..124, 0), (124..136, pax.len()), (136..148, 0)]
        {
            octal(&mut extension[range], value as u64);
        }
        extension[156] = b'x';
        extension[257..265].copy_from_slice(b"ustar\x0000");
        octal(&mut extension[329..337], 0);
        octal(&mut extension[337..345], 0);
        seal(&mut extension);
        blocks.extend_from_slice(&extension);
        blocks.extend_from_slice(&pax);
        blocks.resize(blocks.len() + padding(pax.len() as u64) as usize, 0);
    }
    blocks.extend_from_slice(&block);
    Ok(blocks)
}

/// Cuts a name at a slash so that both parts fit, if it can be.
fn split_name(name: &[u8]) -> Option<(&[u8], &[u8])> {
    if name.len() <= NAME {
        return Some((b"", name));
    }
    let from = name.len() - 1 - NAME;
    let slash = from + name[from..name.len() - 1].iter().position(|&b| b == b'/')?;
    (slash > 0 && slash <= PREFIX).then(|| (&name[..slash], &name[slash + 1..]))
}

/// Appends a pax record. Its length field counts its own digits.
fn record(pax: &mut Vec<u8>, key: &str, value: &[u8]) {
    let rest = key.len() + value.len() + 3;
    let mut length = rest + 1;
    while length != rest + length.to_string().len() {
        length = rest + length.to_string().len();
    }
    pax.extend_from_slice(format!("{length} {key}=").as_bytes());
    pax.extend_from_slice(value);
    pax.push(b'\n');
}

/// Octal digits to the end of the field, less the NUL.
fn octal(field: &mut [u8], value: u64) {
    let width = field.len() - 1;
    let digits = format!("{value:0width$o}");
    field[..width].copy_from_slice(&digits.as_bytes()[digits.len() - width..]);
}

fn seal(block: &mut [u8; BLOCK]) {
    block[148..156].fill(b' ');
    let sum: u32 = block.iter().map(|&b| u32::from(b)).sum();
    octal(&mut block[148..155], u64::from(sum));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_cut_where_both_parts_fit() {
        let long = [b"d".repeat(60), b"/".to_vec(), b"f".repeat(100)].concat();
        assert_eq!(split_name(&long).map(|(p, n)| (p.len(), n.len())), Some((60, 100)));
        let mut directory = long.clone();
        directory.push(b'/');
        assert_eq!(split_name(&directory), None);
        assert_eq!(split_name(&b"f".repeat(101)), None);
        let deep = [b"d".repeat(156), b"/f".to_vec()].concat();
        assert_eq!(split_name(&deep), None);
    }

    #[test]
    fn a_pax_record_counts_its_own_digits() {
        for length in [1, 90, 91, 92, 93, 989, 990] {
            let mut pax = Vec::new();
            record(&mut pax, "path", &b"x".repeat(length));
            let digits = pax.iter().position(|&b| b == b' ').unwrap();
            let stated: usize = std::str::from_utf8(&pax[..digits]).unwrap().parse().unwrap();
            assert_eq!(stated, pax.len());
        }
    }

    #[test]
    fn times_before_the_epoch_come_back() {
        for (text, seconds, nanoseconds) in [
            ("-1.25", -2, 750_000_000),
            ("-1", -1, 0),
            ("0.000000001", 0, 1),
            ("-0.5", -1, 500_000_000),
            ("17.5", 17, 500_000_000),
        ] {
            let time = Mtime { seconds, nanoseconds };
            assert_eq!(parse_time(text), Some(time), "{text}");
            assert_eq!(format_time(time), text);
        }
        for bad in ["", ".5", "-", "1e3", "+1", "99999999999999999999"] {
            assert_eq!(parse_time(bad), None, "{bad}");
        }
    }

    #[test]
    fn binary_numbers_are_read() {
        assert_eq!(number(&[0x80, 0, 0, 0, 0, 0, 1, 0], "size"), Ok(256));
        assert_eq!(number(&[0xff; 12], "time"), Ok(-1));
        assert!(number(&[0xbf; 12], "size").is_err());
        assert_eq!(number(b" 755 \0", "mode"), Ok(0o755));
        assert!(number(b"9\0", "mode").is_err());
    }
}
