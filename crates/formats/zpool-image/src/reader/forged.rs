//! Images changed so that every checksum is right and what they say is wrong.

use std::fs::{self, File};
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

use proto::{Entry, Kind, Metadata, Proto, ProtoPath, Store};

use super::decompress::decompress;
use super::fields::u64_at;
use super::findings::Verification;
use super::image::Image;
use super::object::Dnode;
use super::pointer::Pointer;
use crate::block_pointer::POINTER_SIZE;
use crate::bytes::put_words;
use crate::checksum::{fletcher_4, seal};
use crate::compression::{Codec, Prepared};
use crate::device::SPACE_START;
use crate::dnode::{DNODE_SIZE, DSL_DATASET, META_DNODE, OBJECT_SET, PLAIN_FILE, SPACE_MAP};
use crate::label::{self, RING};
use crate::uberblock::{slot_offset, slot_size};
use crate::{Compression, PoolOptions, write};

/// Sectors so large that a block still fits where it was when something in it has changed.
const ASHIFT: u32 = 12;
const SECTOR: u64 = 1 << ASHIFT;

/// An image of a few files.
struct Forge {
    _directory: tempfile::TempDir,
    path: PathBuf,
    bytes: Vec<u8>,
    codec: Codec,
}

/// A block, by the places of the pointers on the way to it: in the label, then in each block the
/// place of the pointer to the next one.
#[derive(Debug, Clone)]
struct Found {
    chain: Vec<usize>,
    object_type: u8,
    level: u8,
    pointer: Pointer,
}

impl Found {
    /// The block in which the pointer stands, and where in it.
    fn parent(&self) -> (&[usize], usize) {
        let (last, before) = self.chain.split_last().unwrap();
        (before, *last)
    }
}

impl Forge {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::create(directory.path().join("store")).unwrap();
        let mut proto = Proto::new(store);
        let root = Entry::directory(Metadata::root(0o755));
        proto.manifest.insert(ProtoPath::root(), root).unwrap();
        for (name, size) in [("one", 5000), ("two", 5000), ("three", 400_000)] {
            let bytes: Vec<u8> = (0..size).map(|n| (n % 251) as u8 + name.len() as u8).collect();
            let content = proto.contents.store.add_bytes(&bytes).unwrap();
            let entry = Entry::new(Kind::File(content), Metadata::root(0o644));
            proto.manifest.insert(ProtoPath::new(name).unwrap(), entry).unwrap();
        }
        let path = directory.path().join("image");
        let options = PoolOptions { ashift: ASHIFT, ..PoolOptions::ramdisk() };
        write(&proto, &options, &path).unwrap();
        let bytes = fs::read(&path).unwrap();
        let codec = Codec::metadata(Compression::Off, &options);
        Self { _directory: directory, path, bytes, codec }
    }

    /// Where a block stands.
    fn place(pointer: &Pointer) -> Range<usize> {
        let address = pointer.addresses().next().unwrap();
        let begin = (SPACE_START + address.offset.unwrap()) as usize;
        begin..begin + pointer.physical() as usize
    }

    fn pointer(&self, chain: &[usize]) -> Pointer {
        match chain {
            [root] => Pointer::at(&self.bytes, *root).unwrap(),
            [before @ .., last] => Pointer::at(&self.block(before), *last).unwrap(),
            [] => panic!("a way to no block"),
        }
    }

    /// The block at the end of a way.
    fn block(&self, chain: &[usize]) -> Vec<u8> {
        let pointer = self.pointer(chain);
        let stored = &self.bytes[Self::place(&pointer)];
        let mut block = vec![0; pointer.logical() as usize];
        assert!(decompress(pointer.compression(), stored, &mut block).unwrap());
        block
    }

    /// Changes a block, and makes all checksums on the way to it right, and those of the labels.
    fn change(&mut self, chain: &[usize], edit: impl FnOnce(&mut [u8])) {
        let mut block = self.block(chain);
        edit(&mut block);
        let mut chain = chain.to_vec();
        while let Some(at) = chain.last().copied() {
            let pointer = self.pointer(&chain);
            let stored = match pointer.compression() {
                2 => block,
                code => match self.codec.block(block) {
                    Prepared::Block { compression, bytes, .. }
                        if u64::from(compression) == code =>
                    {
                        bytes
                    }
                    _ => panic!("a block that is no longer compressed"),
                },
            };
            self.bytes[Self::place(&pointer)].copy_from_slice(&stored);
            let sum = fletcher_4(&stored);
            chain.pop();
            if chain.is_empty() {
                put_words(&mut self.bytes, at + 96, &sum);
                break;
            }
            block = self.block(&chain);
            put_words(&mut block, at + 96, &sum);
        }
        let slot = RING + slot_offset(ASHIFT);
        let slot = slot..slot + slot_size(ASHIFT);
        let first = self.bytes[slot.clone()].to_vec();
        for label in label::offsets(self.bytes.len() as u64) {
            let there = &mut self.bytes[label as usize..][slot.clone()];
            there.copy_from_slice(&first);
            seal(there, label + slot.start as u64);
        }
    }

    /// All blocks of the pool.
    fn blocks(&self) -> Vec<Found> {
        let mut found = Vec::new();
        self.add(vec![RING + slot_offset(ASHIFT) + 40], OBJECT_SET, 0, &mut found);
        found
    }

    /// Adds a block and all below it.
    fn add(&self, chain: Vec<usize>, object_type: u8, level: u8, found: &mut Vec<Found>) {
        let pointer = self.pointer(&chain);
        if pointer.is_hole() {
            return;
        }
        let below = |at: usize| chain.iter().copied().chain([at]).collect::<Vec<_>>();
        let size = pointer.logical() as usize;
        let mut dnodes = Vec::new();
        match (level, object_type) {
            (0, OBJECT_SET) => dnodes.extend([0, 1024, 1536]),
            (0, META_DNODE) => dnodes.extend((0..size).step_by(DNODE_SIZE)),
            (0, _) => {}
            _ => {
                for at in (0..size).step_by(POINTER_SIZE) {
                    self.add(below(at), object_type, level - 1, found);
                }
            }
        }
        let block = if dnodes.is_empty() { Vec::new() } else { self.block(&chain) };
        for at in dnodes {
            let Some(dnode) = block.get(at..at + DNODE_SIZE).and_then(Dnode::parse) else {
                continue;
            };
            let pointers = at + 64;
            for index in 0..dnode.pointers.len() {
                let at = pointers + POINTER_SIZE * index;
                self.add(below(at), dnode.object_type, dnode.levels - 1, found);
            }
            if dnode.bonus_type == DSL_DATASET {
                let bonus = pointers + POINTER_SIZE * dnode.pointers.len();
                self.add(below(bonus + 128), OBJECT_SET, 0, found);
            }
        }
        found.push(Found { chain, object_type, level, pointer });
    }

    /// The blocks of data of objects of a type.
    fn of(&self, object_type: u8) -> Vec<Found> {
        let mut found = self.blocks();
        found.retain(|found| found.object_type == object_type && found.level == 0);
        assert!(!found.is_empty());
        found
    }

    /// The only blocks of the two small files.
    fn small_files(&self) -> Vec<Found> {
        let mut files = self.of(PLAIN_FILE);
        files.retain(|found| found.pointer.logical() == 5120);
        assert_eq!(files.len(), 2);
        files
    }

    fn verify(&self) -> Verification {
        // What is between the blocks and the last labels never changes.
        let file = File::options().write(true).open(&self.path).unwrap();
        let labels = self.bytes.len() - (1 << 20);
        file.write_all_at(&self.bytes[..8 << 20], 0).unwrap();
        file.write_all_at(&self.bytes[labels..], labels as u64).unwrap();
        Image::open(&self.path).unwrap().verify().unwrap()
    }

    fn findings(&self) -> Vec<String> {
        self.verify().findings.iter().map(ToString::to_string).collect()
    }
}

fn has(findings: &[String], what: &str) -> bool {
    findings.iter().any(|finding| finding.contains(what))
}

#[test]
fn an_image_that_is_only_resealed_is_sound() {
    let mut forge = Forge::new();
    let before = forge.bytes.clone();
    for found in forge.blocks() {
        forge.change(&found.chain, |_| {});
    }
    assert!(forge.bytes == before);
    let verification = forge.verify();
    assert!(verification.is_sound(), "{:?}", verification.findings);
    assert_eq!(verification.space.not_compared, None);
    let blocks = forge.blocks();
    let taken = blocks.iter().map(|found| found.pointer.physical().next_multiple_of(SECTOR));
    assert_eq!(verification.space.allocated, taken.sum::<u64>());
}

/// The first entry of the first space map, and its sum, made larger or smaller by some sectors.
fn with_map_entry(change: i64, sum: i64) -> Vec<String> {
    let mut forge = Forge::new();
    let map = forge.of(SPACE_MAP).remove(0);
    let add = |bytes: &mut [u8], at: usize, change: i64| {
        let word = u64_at(bytes, at).unwrap();
        put_words(bytes, at, &[word.wrapping_add_signed(change)]);
    };
    forge.change(&map.chain, |block| add(block, 0, change));
    let (parent, pointer) = map.parent();
    forge.change(parent, |block| {
        // The pointer is the first of its dnode; behind the last one is the bonus.
        let count = usize::from(block[pointer - 64 + 3]);
        add(block, pointer + POINTER_SIZE * count + 16, sum * SECTOR as i64);
    });
    forge.findings()
}

#[test]
fn a_space_map_entry_that_is_too_short_is_found() {
    let findings = with_map_entry(-3, -3);
    assert_eq!(findings.len(), 1, "{findings:?}");
    assert!(has(&findings, "12288 bytes from byte"), "{findings:?}");
    assert!(has(&findings, "are used by a block and free in the space map"), "{findings:?}");
}

#[test]
fn a_space_map_entry_that_is_too_long_is_found() {
    let findings = with_map_entry(1, 1);
    assert_eq!(findings.len(), 1, "{findings:?}");
    assert!(has(&findings, "4096 bytes from byte"), "{findings:?}");
    assert!(has(&findings, "are allocated in the space map and used by no block"), "{findings:?}");
}

#[test]
fn a_space_map_that_contradicts_itself_is_found() {
    let findings = with_map_entry(1, 0);
    assert_eq!(findings.len(), 1, "{findings:?}");
    assert!(has(&findings, "bytes are allocated, its entries"), "{findings:?}");
    // Freed instead of allocated.
    let findings = with_map_entry(1 << 15, 0);
    assert!(has(&findings, "freed that are not allocated"), "{findings:?}");
}

#[test]
fn a_block_that_is_dropped_is_found() {
    let mut forge = Forge::new();
    let file = forge.small_files().remove(0);
    let (parent, at) = file.parent();
    forge.change(parent, |block| block[at..at + POINTER_SIZE].fill(0));
    let findings = forge.findings();
    assert!(has(&findings, "8192 bytes from byte"), "{findings:?}");
    assert!(has(&findings, "used by no block"), "{findings:?}");
    assert!(has(&findings, "the space used of the object is 8192 and should be 0"), "{findings:?}");
    assert!(has(&findings, ", path one: "), "{findings:?}");
}

#[test]
fn a_block_that_two_files_use_is_found() {
    let mut forge = Forge::new();
    let files = forge.small_files();
    let ((from, one), (parent, two)) = (files[0].parent(), files[1].parent());
    let pointer = forge.block(from)[one..one + POINTER_SIZE].to_vec();
    forge.change(parent, |block| block[two..two + POINTER_SIZE].copy_from_slice(&pointer));
    let findings = forge.findings();
    assert_eq!(findings.len(), 2, "{findings:?}");
    assert!(has(&findings, "8192 bytes from byte"), "{findings:?}");
    assert!(has(&findings, "are used by more than one block"), "{findings:?}");
    assert!(has(&findings, "used by no block"), "{findings:?}");
}

#[test]
fn a_block_outside_every_metaslab_is_found() {
    let mut forge = Forge::new();
    let file = forge.small_files().remove(0);
    // A second copy, where the last label of the device stands.
    let far = (forge.bytes.len() as u64 - (1 << 18)) / 512;
    let (parent, at) = file.parent();
    forge.change(parent, |block| put_words(block, at + 16, &[16, far]));
    let findings = forge.findings();
    assert!(has(&findings, "in no metaslab"), "{findings:?}");
    assert!(has(&findings, "lies beyond the end"), "{findings:?}");
}

#[test]
fn sums_that_are_wrong_are_found() {
    let mut forge = Forge::new();
    // The root of the dataset with files.
    let set = forge.of(OBJECT_SET).into_iter().filter(|found| found.chain.len() > 1);
    let set = set.max_by_key(|found| found.pointer.fill()).unwrap();
    let (parent, at) = set.parent();
    let fill = set.pointer.fill();
    forge.change(parent, |block| put_words(block, at + 88, &[fill + 1]));
    let findings = forge.findings();
    assert!(has(&findings, "the number of objects in the root is"), "{findings:?}");
    forge.change(parent, |block| put_words(block, at + 88, &[fill]));

    // What the dataset says it refers to: in the bonus, as is the pointer to the root.
    let referenced = at - 128 + 72;
    let word = u64_at(&forge.block(parent), referenced).unwrap();
    forge.change(parent, |block| put_words(block, referenced, &[word + 512]));
    let findings = forge.findings();
    assert_eq!(findings.len(), 1, "{findings:?}");
    assert!(has(&findings, "referenced bytes are"), "{findings:?}");
}

#[test]
fn every_label_is_looked_at() {
    let mut forge = Forge::new();
    let offsets = label::offsets(forge.bytes.len() as u64);
    for (index, offset) in offsets.into_iter().enumerate() {
        let slot = RING + slot_offset(ASHIFT);
        for (at, what) in [
            (9 << 10, "boot block"),
            (17 << 10, "configuration that cannot be read"),
            (slot + 16, "damaged uberblock"),
            (slot + 16, "lacks the uberblock"),
            (slot + 9000, "damaged uberblock"),
        ] {
            forge.bytes[offset as usize + at] ^= 16;
            let findings = forge.findings();
            forge.bytes[offset as usize + at] ^= 16;
            assert!(has(&findings, &format!("label {index} ")), "{what}: {findings:?}");
            assert!(has(&findings, what), "{what}: {findings:?}");
        }
    }
}

#[test]
fn used_ranges_are_those_of_the_blocks() {
    let forge = Forge::new();
    let taken = |found: Found| {
        let place = Forge::place(&found.pointer);
        (place.start as u64, (place.len() as u64).next_multiple_of(SECTOR))
    };
    let sizes: Vec<(u64, u64)> = forge.blocks().into_iter().map(taken).collect();
    let used = Image::open(&forge.path).unwrap().used().unwrap();
    assert_eq!(used[0].start, sizes.iter().map(|(begin, _)| *begin).min().unwrap());
    let sum: u64 = used.iter().map(|range| range.end - range.start).sum();
    assert_eq!(sum, sizes.iter().map(|(_, size)| size).sum());
}
