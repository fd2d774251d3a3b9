//! A file system dataset: its fixed objects, then one object for each path.

use proto::{Contents, FileContent, Kind, Manifest};

use crate::Error;
use crate::block_pointer::BlockPointer;
use crate::compression::Codec;
use crate::device::{Account, Device};
use crate::dnode::{
    ATTRIBUTE_LAYOUTS, ATTRIBUTE_MASTER, ATTRIBUTE_REGISTRY, DIRECTORY, Dnode, MASTER_NODE,
    PLAIN_FILE, SYSTEM_ATTRIBUTES, UNLINKED_SET,
};
use crate::mos::Root;
use crate::object_set::{Object, ObjectSetWriter, Purpose};
use crate::options::LARGEST_PLAIN_RECORD;
use crate::plan::{self, Node};
use crate::records::{Records, block_count, block_size};
use crate::sa::{self, Attributes};
use crate::tree::{Shape, Tree};
use crate::zap::{self, Entry, Value};

// The fixed objects, in their order.
const UNLINKED: u64 = 2;
const ATTRIBUTES: u64 = 3;
const REGISTRY: u64 = 4;
const LAYOUTS: u64 = 5;
const ROOT: u64 = 6;

/// The version of the file system that has system attributes.
const VERSION: u64 = 5;

/// What goes into a file system, and how.
#[derive(Debug)]
pub(crate) struct FileSystem<'a> {
    pub(crate) manifest: &'a Manifest,
    pub(crate) contents: Option<&'a Contents>,
    pub(crate) record_size: u32,
    /// For the records of files.
    pub(crate) data: Codec,
    /// For everything else.
    pub(crate) metadata: Codec,
}

/// A file system that has been written.
#[derive(Debug, Clone)]
pub(crate) struct Written {
    /// Its object set.
    pub(crate) root: Root,
    pub(crate) counts: Counts,
    /// Bytes allocated for the blocks of each path of the manifest, in its order.
    pub(crate) allocated: Vec<u64>,
}

/// What there is in a file system.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Counts {
    pub(crate) objects: u64,
    pub(crate) files: u64,
    pub(crate) directories: u64,
    /// Bytes in regular files.
    pub(crate) content: u64,
}

impl Counts {
    /// Adds those of another file system.
    pub(crate) fn add(&mut self, other: Counts) {
        self.objects += other.objects;
        self.files += other.files;
        self.directories += other.directories;
        self.content += other.content;
    }
}

impl FileSystem<'_> {
    /// Writes the file system to the device.
    pub(crate) fn write(&self, device: &mut Device<'_>) -> Result<Written, Error> {
        let nodes = plan::number(self.manifest, ROOT)?;
        match nodes.first() {
            Some(root) if root.path.is_root() && root.entry.is_directory() => {}
            _ => {
                let problem = "the root of a file system must be a directory".to_owned();
                return Err(Error::Unsupported { path: proto::ProtoPath::root(), problem });
            }
        }
        let objects = ROOT - 1 + nodes.len() as u64;
        let mut set = ObjectSetWriter::new(Purpose::FileSystem, objects, self.metadata);
        for object in fixed_objects() {
            set.add(object, device)?;
        }
        let files: Vec<_> =
            nodes.iter().filter_map(|n| n.entry.content().map(|c| (n.path, c))).collect();
        let mut counts = Counts { objects, files: files.len() as u64, ..Counts::default() };
        let mut records = Records::new(self.contents, files, self.record_size, self.data);
        let mut large_blocks = false;
        let mut allocated = vec![0; self.manifest.len()];
        for node in &nodes {
            let before = set.used();
            match &node.entry.kind {
                Kind::File(content) => {
                    counts.content += content.size;
                    self.add_file(node, content, &mut records, &mut set, device)?;
                    let block_size = block_size(content.size, self.record_size);
                    large_blocks |= block_size > LARGEST_PLAIN_RECORD.into();
                }
                Kind::Directory => {
                    counts.directories += 1;
                    add_directory(node, &mut set, device)?;
                }
                _ => add_special(node, &mut set, device)?,
            }
            allocated[node.place] = set.used() - before;
        }
        records.finish()?;
        let (pointer, account) = set.finish(device)?;
        let root = Root { pointer, account, large_blocks };
        Ok(Written { root, counts, allocated })
    }

    fn add_file(
        &self,
        node: &Node<'_>,
        content: &FileContent,
        records: &mut Records<'_>,
        set: &mut ObjectSetWriter,
        device: &mut Device<'_>,
    ) -> Result<(), Error> {
        let blocks = block_count(content.size, self.record_size);
        let mut tree = Tree::new(Shape::fitting(blocks, 1), PLAIN_FILE, self.metadata);
        for _ in 0..blocks {
            let record = records.next()?;
            let pointer = device.store(&record, PLAIN_FILE, 0, 1, &mut tree.account)?;
            tree.push(pointer, device)?;
        }
        let (shape, last_block) = (tree.shape(), tree.last_block());
        let (pointers, account) = tree.finish(device)?;
        set.count(account);
        let dnode = Dnode {
            object_type: PLAIN_FILE,
            indirect_shift: shape.indirect_shift,
            levels: shape.levels,
            pointers,
            bonus_type: SYSTEM_ATTRIBUTES,
            bonus: attributes(node, content.size).store().bonus,
            block_size: block_size(content.size, self.record_size) as usize,
            last_block,
            used: account.used,
            spill: None,
        };
        set.add_dnode(&dnode, device)?;
        Ok(())
    }
}

fn add_directory(
    node: &Node<'_>,
    set: &mut ObjectSetWriter,
    device: &mut Device<'_>,
) -> Result<(), Error> {
    let entries: Vec<Entry<'_>> = node
        .names
        .iter()
        .map(|n| Entry::number(n.name, (n.file_type as u64) << 60 | n.object))
        .collect();
    let zap = zap::build(&entries, zap::salt(set.next_object())).ok_or_else(|| {
        let problem = format!("{} entries are too many for a directory", entries.len());
        Error::Unsupported { path: node.path.clone(), problem }
    })?;
    let object = Object {
        object_type: DIRECTORY,
        bonus_type: SYSTEM_ATTRIBUTES,
        bonus: attributes(node, node.names.len() as u64 + 2).store().bonus,
        block_size: zap.block_size,
        data: zap.bytes,
    };
    set.add(object, device)?;
    Ok(())
}

/// Adds what has attributes only: links, devices, pipes and sockets.
fn add_special(
    node: &Node<'_>,
    set: &mut ObjectSetWriter,
    device: &mut Device<'_>,
) -> Result<(), Error> {
    let size = match &node.entry.kind {
        Kind::Symlink { target } if target.len() > usize::from(u16::MAX) => {
            let problem = format!("a link text of {} bytes is too long", target.len());
            return Err(Error::Unsupported { path: node.path.clone(), problem });
        }
        Kind::Symlink { target } => target.len() as u64,
        _ => 0,
    };
    let stored = attributes(node, size).store();
    let mut account = Account::default();
    let spill = match stored.spill {
        Some(bytes) => {
            let block = set.codec().block(bytes);
            Some(device.store(&block, SYSTEM_ATTRIBUTES, 0, 1, &mut account)?)
        }
        None => None,
    };
    set.count(account);
    let shape = Shape::fitting(0, 1);
    let dnode = Dnode {
        object_type: PLAIN_FILE,
        indirect_shift: shape.indirect_shift,
        levels: shape.levels,
        pointers: vec![BlockPointer::Hole],
        bonus_type: SYSTEM_ATTRIBUTES,
        bonus: stored.bonus,
        block_size: 512,
        last_block: 0,
        used: account.used,
        spill,
    };
    set.add_dnode(&dnode, device)?;
    Ok(())
}

fn attributes<'a>(node: &Node<'a>, size: u64) -> Attributes<'a> {
    let (device, symlink) = match &node.entry.kind {
        Kind::CharacterDevice(device) | Kind::BlockDevice(device) => (Some(*device), None),
        Kind::Symlink { target } => (None, Some(&**target)),
        _ => (None, None),
    };
    Attributes {
        metadata: node.entry.metadata,
        file_type: plan::file_type(&node.entry.kind),
        size,
        parent: node.parent,
        links: node.links,
        device,
        symlink,
    }
}

/// The master node, the set of unlinked files, and the tables of attributes.
fn fixed_objects() -> Vec<Object> {
    let master = [
        Entry::number("DELETE_QUEUE", UNLINKED),
        Entry::number("ROOT", ROOT),
        Entry::number("SA_ATTRS", ATTRIBUTES),
        Entry::number("VERSION", VERSION),
        Entry::number("casesensitivity", 0),
        Entry::number("normalization", 0),
        Entry::number("utf8only", 0),
    ];
    let tables = [Entry::number("LAYOUTS", LAYOUTS), Entry::number("REGISTRY", REGISTRY)];
    let registry: Vec<_> = sa::registry().map(|(name, value)| Entry::number(name, value)).collect();
    let numbers = sa::LAYOUTS.map(|(number, _)| number.to_string());
    let layouts: Vec<_> = numbers
        .iter()
        .zip(sa::LAYOUTS)
        .map(|(name, (_, list))| Entry { name: name.as_bytes(), value: Value::Shorts(list) })
        .collect();
    [
        (MASTER_NODE, &master[..]),
        (UNLINKED_SET, &[]),
        (ATTRIBUTE_MASTER, &tables),
        (ATTRIBUTE_REGISTRY, &registry),
        (ATTRIBUTE_LAYOUTS, &layouts),
    ]
    .into_iter()
    .zip(1..)
    .map(|((object_type, entries), number)| Object::zap(object_type, entries, number))
    .collect()
}
