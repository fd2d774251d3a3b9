//! Labels: four copies of what the pool is, two at each end of the device.

use crate::block_pointer::BIRTH;
use crate::checksum::{is_sealed, seal};
use crate::nvlist::NameValueList;
use crate::uberblock::{RING_SIZE, Uberblock, slot_offset, slot_size};

/// Bytes of a label.
pub(crate) const LABEL_SIZE: u64 = 256 << 10;
/// Bytes that labels and the boot area take from a device.
pub(crate) const OVERHEAD: u64 = crate::device::SPACE_START + 2 * LABEL_SIZE;

pub(crate) const BOOT_BLOCK: std::ops::Range<usize> = 8 << 10..16 << 10;
pub(crate) const CONFIGURATION: std::ops::Range<usize> = 16 << 10..128 << 10;
/// Where the uberblocks begin.
pub(crate) const RING: usize = 128 << 10;

/// The pool was exported: any system may import it.
const EXPORTED: u64 = 1;

/// What labels and the pool's configuration say.
#[derive(Debug, Clone)]
pub(crate) struct Configuration<'a> {
    pub(crate) name: &'a str,
    pub(crate) version: u64,
    pub(crate) pool_guid: u64,
    pub(crate) device_guid: u64,
    /// The object with the list of space maps.
    pub(crate) metaslab_array: u64,
    pub(crate) metaslab_shift: u32,
    pub(crate) ashift: u32,
    /// Bytes of the device without labels and boot area.
    pub(crate) asize: u64,
    /// Identifiers of the features in use without which the pool's own objects cannot be read.
    pub(crate) features: &'a [String],
}

impl Configuration<'_> {
    fn common(&self) -> NameValueList {
        NameValueList::default()
            .number("version", self.version)
            .text("name", self.name)
            .number("state", EXPORTED)
            .number("txg", BIRTH)
            .number("pool_guid", self.pool_guid)
            .number("errata", 0)
    }

    /// The device. Systems that boot from a ramdisk ignore the path; the type must be `disk`.
    fn device(&self) -> NameValueList {
        NameValueList::default()
            .text("type", "disk")
            .number("id", 0)
            .number("guid", self.device_guid)
            .text("path", "/dev/null")
            .number("whole_disk", 0)
            .number("metaslab_array", self.metaslab_array)
            .number("metaslab_shift", self.metaslab_shift.into())
            .number("ashift", self.ashift.into())
            .number("asize", self.asize)
            .number("is_log", 0)
            .number("create_txg", BIRTH)
    }

    fn with_features(&self, list: NameValueList) -> NameValueList {
        if self.version < 5000 {
            return list;
        }
        let features = self.features.iter();
        let features = features.fold(NameValueList::default(), |list, name| list.flag(name));
        list.list("features_for_read", features)
    }

    /// The list of a label.
    pub(crate) fn label(&self) -> NameValueList {
        let list = self
            .common()
            .number("top_guid", self.device_guid)
            .number("guid", self.device_guid)
            .number("vdev_children", 1)
            .list("vdev_tree", self.device());
        self.with_features(list)
    }

    /// The list in the pool's own objects.
    pub(crate) fn pool(&self) -> NameValueList {
        let root = NameValueList::default()
            .text("type", "root")
            .number("id", 0)
            .number("guid", self.pool_guid)
            .number("create_txg", BIRTH)
            .lists("children", vec![self.device()]);
        let list = self.common().number("vdev_children", 1).list("vdev_tree", root);
        self.with_features(list)
    }
}

/// Where the labels stand on a device.
pub(crate) fn offsets(device_size: u64) -> [u64; 4] {
    let end = device_size / LABEL_SIZE * LABEL_SIZE;
    [0, LABEL_SIZE, end - 2 * LABEL_SIZE, end - LABEL_SIZE]
}

/// The label for one place on the device: its sums cover the place.
pub(crate) fn build(
    configuration: &NameValueList,
    uberblock: &Uberblock,
    ashift: u32,
    offset: u64,
) -> Vec<u8> {
    let mut label = vec![0; LABEL_SIZE as usize];
    seal(&mut label[BOOT_BLOCK], offset + BOOT_BLOCK.start as u64);
    let packed = configuration.pack();
    label[CONFIGURATION.start..CONFIGURATION.start + packed.len()].copy_from_slice(&packed);
    seal(&mut label[CONFIGURATION], offset + CONFIGURATION.start as u64);
    let begin = RING + slot_offset(ashift);
    let slot = &mut label[begin..begin + slot_size(ashift)];
    uberblock.write(slot);
    seal(slot, offset + begin as u64);
    debug_assert_eq!(RING + RING_SIZE, LABEL_SIZE as usize);
    label
}

/// The transaction group and the list of a label that stood at `offset`, if it is in order.
pub(crate) fn parse(label: &[u8], offset: u64) -> Option<(u64, NameValueList)> {
    let region = label.get(CONFIGURATION)?;
    if !is_sealed(region, offset + CONFIGURATION.start as u64) {
        return None;
    }
    let list = NameValueList::unpack(region)?;
    Some((list.get_number("txg")?, list))
}

/// The uberblocks of a label.
pub(crate) fn ring(label: &[u8]) -> &[u8] {
    label.get(RING..).unwrap_or_default()
}
