//! What fuzz targets call: each function takes any bytes, and must return.
//!
//! Only there with the feature `fuzzing`. Checksums of blocks are taken to be right in these
//! functions: no changed input would ever get past them. Nothing else is different.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fs::File;
use std::io::Read as _;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use super::attributes::{self, Attribute, Attributes, Layouts};
use super::block::Storage;
use super::claims::{Claims, Division};
use super::fields::{u16_at, u32_at};
use super::image::Image;
use super::labels::{self, Newest};
use super::object::{Dnode, Object};
use super::pointer::Pointer;
use super::space_map::{Replay, entry};
use super::walk::Walk;
use super::zap::entries;
use crate::Error;
use crate::block_pointer::{POINTER_SIZE, SECTOR};
use crate::bytes::put_words;
use crate::checksum::seal;
use crate::device::SPACE_START;
use crate::dnode::{DNODE_SIZE, PLAIN_FILE, SPACE_MAP, SYSTEM_ATTRIBUTES};
use crate::label::{self, LABEL_SIZE, OVERHEAD};
use crate::nvlist::NameValueList;

/// Inputs are cut off here.
const LONGEST: usize = 256 << 10;
/// Bytes that are read of a file, and files of a dataset that are read.
const PART_OF_FILE: u64 = 1 << 20;
const SOME_FILES: usize = 50;

thread_local! {
    /// The device, used again for each input.
    static DEVICE: RefCell<Option<File>> = const { RefCell::new(None) };
}

/// A device with these bytes from the begin of its space on.
fn device(space: &[u8]) -> Option<Storage> {
    let space = &space[..space.len().min(LONGEST)];
    let file = DEVICE.with_borrow_mut(|device| {
        let file = match device.take() {
            Some(file) => file,
            None => tempfile::tempfile().ok()?,
        };
        let again = file.try_clone().ok();
        *device = again;
        Some(file)
    })?;
    let size = OVERHEAD + (space.len() as u64).next_multiple_of(LABEL_SIZE);
    file.set_len(SPACE_START).ok()?;
    file.set_len(size).ok()?;
    file.write_all_at(space, SPACE_START).ok()?;
    Some(Storage { file, path: PathBuf::from("device"), start: 0, size, trusting: true })
}

/// A packed list: what can be read is written and read again as the same.
pub fn nvlist(bytes: &[u8]) {
    if let Some(list) = NameValueList::unpack(bytes) {
        assert_eq!(NameValueList::unpack(&list.pack()).as_ref(), Some(&list));
        let _ = (list.get_number("txg"), list.get_text("name"), list.names().count());
    }
}

/// A label with this list and these uberblocks, all with right checksums.
pub fn label(bytes: &[u8]) {
    let mut label = vec![0; LABEL_SIZE as usize];
    let (list, ring) = bytes.split_at(bytes.len().min(label::CONFIGURATION.len() - 40) / 2);
    label[label::CONFIGURATION.start..][..list.len()].copy_from_slice(list);
    seal(&mut label[label::CONFIGURATION], label::CONFIGURATION.start as u64);
    let ring = &ring[..ring.len().min(8 << 10)];
    label[label::RING..][..ring.len()].copy_from_slice(ring);
    seal(&mut label[label::RING..][..1 << 10], label::RING as u64);
    if let Some((_, list)) = label::parse(&label, 0) {
        let found = labels::slots(&label, &list);
        found.filter_map(|(at, bytes)| labels::uberblock(bytes, at)).for_each(drop);
        if let Some(storage) = device(&[]) {
            let _ = Division::of(&list, &storage);
        }
    }
}

/// The dnode of an object, then the space in which its blocks are.
pub fn tree(bytes: &[u8]) {
    let Some(dnode) = Dnode::parse(bytes) else { return };
    let Some(storage) = bytes.get(DNODE_SIZE..).and_then(device) else { return };
    let division = Division { ashift: 9, metaslab_shift: 16, metaslabs: 4, array: 0 };
    let claims = Claims::new(division);
    let walk = Walk::new(&storage, Some(&claims), 0);
    let _ = walk.objects(&dnode);
    let _ = walk.object(&dnode, None);
    assert!(
        claims.contested().len() <= claims.all().iter().map(|(a, b)| b - a).sum::<u64>() as usize
    );
    let mut object = Object::new(dnode);
    let _ = object.all(PART_OF_FILE, &storage);
    for number in [0, 1, 1 << 20, u64::MAX] {
        let _ = object.block(number, &storage);
    }
}

/// A table of names: its blocks one after the other, their size in sectors before them.
pub fn zap(bytes: &[u8]) {
    let Some((sectors, blocks)) = bytes.split_first() else { return };
    let size = (u64::from(*sectors) % 64 + 1) * SECTOR;
    let Some(storage) = device(blocks) else { return };
    let mut dnode = vec![0; DNODE_SIZE];
    (dnode[0], dnode[1], dnode[2], dnode[3]) = (20, 17, 1, 3);
    dnode[8] = (size / SECTOR) as u8;
    put_words(&mut dnode, 16, &[2]);
    let properties = (size / SECTOR - 1) | (size / SECTOR - 1) << 16 | 2 << 32 | 7 << 40 | 1 << 63;
    for block in 0..3 {
        let at = 64 + POINTER_SIZE * block as usize;
        put_words(&mut dnode, at, &[size / SECTOR, block * size / SECTOR]);
        put_words(&mut dnode, at + 48, &[properties]);
        put_words(&mut dnode, at + 80, &[4, 1]);
    }
    let Some(dnode) = Dnode::parse(&dnode) else { panic!("a proper dnode") };
    if let Ok(entries) = entries(&mut Object::new(dnode), &storage) {
        let names: BTreeSet<_> = entries.iter().map(|entry| &entry.name).collect();
        assert_eq!(names.len(), entries.len());
        assert!(entries.iter().all(|entry| entry.number().is_none() || entry.value.len() == 8));
    }
}

/// System attributes: first how long they are and a layout of them, then a bonus and a spill block.
pub fn attributes(bytes: &[u8]) {
    let mut layouts = Layouts::default();
    let Some((count, mut rest)) = bytes.split_first() else { return };
    let known = [0, 1, 5, 7, 9].map(|index| attributes::NAMES[index]);
    for (number, name) in (0..).zip(known.into_iter().chain(["ZPL_DACL_ACES"])) {
        let Some(length) = rest.split_off(..2).and_then(|bytes| u16_at(bytes, 0)) else { return };
        layouts.register(name.as_bytes(), u64::from(length) << 24 | number);
    }
    for key in 0..4 {
        let Some(numbers) = rest.split_off(..usize::from(count % 16)) else { return };
        layouts.define(key, numbers.iter().map(|n| u16::from(*n)));
    }
    let (bonus, spill) = rest.split_at(rest.len().min(320));
    let mut attributes = Attributes::default();
    let _ = layouts.read(bonus, &mut attributes);
    let _ = layouts.read(spill, &mut attributes);
    let _ = (attributes.number(Attribute::Size), attributes.get(Attribute::Symlink));
    let _ = attributes.has_extended();
}

/// Entries of a space map, compared with a replay that looks at every sector.
pub fn space_map(bytes: &[u8]) {
    const SECTORS: u64 = 1 << 12;
    let mut replay = Replay::default();
    let mut plain = vec![false; SECTORS as usize];
    let mut rest = bytes;
    while let Some(change) = entry(&mut rest) {
        let Some(change) = change else { continue };
        let end = change.begin.checked_add(change.length).filter(|end| *end <= SECTORS);
        let sectors = end.and_then(|end| plain.get_mut(change.begin as usize..end as usize));
        let possible = sectors.filter(|run| run.iter().all(|taken| *taken != change.allocates));
        let applied = replay.apply(change, SECTORS).is_ok();
        assert_eq!(applied, possible.is_some());
        possible.into_iter().flatten().for_each(|taken| *taken = change.allocates);
    }
    let mut sectors = vec![false; SECTORS as usize];
    for (begin, end) in replay.runs() {
        sectors[begin as usize..end as usize].fill(true);
    }
    assert!(sectors == plain);
    assert_eq!(replay.allocated(), plain.iter().filter(|taken| **taken).count() as u64);
}

/// A pool: the length of its packed configuration (four bytes) and the configuration, the pointer
/// to its own objects, then its space.
pub fn image(bytes: &[u8]) {
    let Some(image) = assemble(bytes) else { return };
    for name in image.datasets() {
        let Ok(mut dataset) = image.dataset(name) else { continue };
        let Ok(manifest) = dataset.manifest() else { continue };
        let files = manifest.iter().filter(|(_, entry)| entry.content().is_some());
        for (path, _) in files.take(SOME_FILES) {
            if let Ok(file) = dataset.file(path) {
                let _ = std::io::copy(&mut file.take(PART_OF_FILE), &mut std::io::sink());
            }
        }
    }
    let _ = image.verify_all();
}

fn assemble(bytes: &[u8]) -> Option<Image> {
    let length = u32_at(bytes, 0)? as usize;
    let rest = bytes.get(4..)?;
    let configuration = NameValueList::unpack(rest.get(..length)?)?;
    let root = Pointer::at(rest, length)?;
    let storage = device(rest.get(length + POINTER_SIZE..)?)?;
    Image::assemble(storage, Newest { configuration, root, births: (4, u64::MAX) }).ok()
}

/// First inputs made of a real image, by the function that takes them.
#[derive(Debug)]
#[allow(missing_docs)]
pub struct Parts {
    pub image: Vec<u8>,
    pub label: Vec<u8>,
    pub nvlist: Vec<u8>,
    pub trees: Vec<Vec<u8>>,
    pub tables: Vec<Vec<u8>>,
    pub attributes: Vec<Vec<u8>>,
    pub space_maps: Vec<Vec<u8>>,
}

/// Takes an image apart.
pub fn disassemble(path: &Path) -> Result<Parts, Error> {
    let opened = Image::open(path)?;
    let storage = &opened.storage;
    let end = opened.used()?.last().map_or(SPACE_START, |range| range.end);
    let space = storage.bytes(SPACE_START, end - SPACE_START)?;
    let nvlist = opened.newest.configuration.pack();
    let mut image = (nvlist.len() as u32).to_le_bytes().to_vec();
    image.extend_from_slice(&nvlist);
    image.extend(opened.newest.root.to_bytes());
    image.extend_from_slice(&space);
    let mut label = nvlist.clone();
    label.resize(nvlist.len().next_multiple_of(1 << 10), 0);
    let ring = storage.bytes(label::RING as u64, 16 << 10)?;
    label.extend(ring.chunks(1 << 10).find(|slot| slot[0] != 0).unwrap_or_default());

    let mut parts = Parts {
        image,
        label,
        nvlist,
        trees: Vec::new(),
        tables: Vec::new(),
        attributes: Vec::new(),
        space_maps: Vec::new(),
    };
    let roots = opened.tree.visible().map(|head| head.pointer);
    for root in roots.chain([opened.newest.root]) {
        let Some(root) = storage.block(&root)? else { continue };
        parts.trees.push([&root[..DNODE_SIZE], &space].concat());
        let Some(mut set) = Dnode::parse(&root).map(Object::new) else { continue };
        for block in 0..=set.dnode.last_block {
            let Some(block) = set.block(block, storage)? else { continue };
            for dnode in block.chunks(DNODE_SIZE).filter_map(Dnode::parse) {
                parts.object(dnode, storage)?;
            }
        }
    }
    Ok(parts)
}

impl Parts {
    fn object(&mut self, dnode: Dnode, storage: &Storage) -> Result<(), Error> {
        let kind = (dnode.object_type, dnode.bonus_type);
        if kind.1 == SYSTEM_ATTRIBUTES {
            // The lengths of six attributes, and the four layouts of those that vary.
            let head = [1, 8, 0, 8, 0, 16, 0, 0, 0, 0, 0, 0, 0, 0, 3, 4, 4];
            self.attributes.push([&head[..], &dnode.bonus].concat());
        }
        let sectors = dnode.block_size / SECTOR;
        let bytes = Object::new(dnode).all(LONGEST as u64, storage)?;
        match kind.0 {
            SPACE_MAP => self.space_maps.push(bytes),
            PLAIN_FILE => {}
            _ => self.tables.push([&[(sectors - 1) as u8], &bytes[..]].concat()),
        }
        Ok(())
    }
}
