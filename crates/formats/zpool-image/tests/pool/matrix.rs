//! Pools from the whole matrix of options and trees, each before every judge.
//!
//! The seeds are fixed but one, which is new each time and printed. `ZPOOL_IMAGE_SEED=N` tests the
//! pool of one seed alone, to repeat a failure; `ZPOOL_IMAGE_POOLS=N` adds so many random ones.

use std::env;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use proto::Proto;
use zpool_image::reader::Image;
use zpool_image::{Feature, PoolOptions, Report, Size, write_trees};

use crate::draw::{self, Drawn};
use crate::judge::{Objects, grub_reads, reader_reads, same_bytes, zdb_accepts_pool};

const FIXED: u64 = 20;

fn seeds() -> Vec<u64> {
    let number = |name: &str| env::var(name).ok().and_then(|value| value.parse().ok());
    if let Some(seed) = number("ZPOOL_IMAGE_SEED") {
        return vec![seed];
    }
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos() as u64;
    let more = number("ZPOOL_IMAGE_POOLS").unwrap_or(1);
    (1..=FIXED).chain((0..more).map(|index| now.wrapping_add(index))).collect()
}

#[test]
fn every_judge_accepts_every_pool() {
    let seeds = seeds();
    println!("the random seed is {}", seeds[seeds.len() - 1]);
    let next = AtomicU64::new(0);
    let failed = Mutex::new(Vec::new());
    let work = || {
        while let Some(seed) = seeds.get(next.fetch_add(1, Ordering::Relaxed) as usize) {
            // The name stands in the message of a panic.
            let thread = std::thread::Builder::new().name(format!("matrix, seed {seed}"));
            let seed = *seed;
            if thread.spawn(move || judge(seed)).unwrap().join().is_err() {
                failed.lock().unwrap().push(seed);
            }
        }
    };
    let workers = std::thread::available_parallelism().map_or(2, usize::from).min(8);
    std::thread::scope(|scope| (0..workers).for_each(|_| drop(scope.spawn(work))));
    let failed = failed.into_inner().unwrap();
    assert!(failed.is_empty(), "repeat these with ZPOOL_IMAGE_SEED=N: {failed:?}");
}

fn judge(seed: u64) {
    let Drawn { options, trees } = draw::pool(seed);
    let case = format!("seed {seed}: {options:?}");
    let named: Vec<(&str, &Proto)> =
        trees.iter().map(|(name, tree)| (name.as_str(), &tree.proto)).collect();
    let image = trees[0].1.image();
    let write = |threads: usize, image: &Path| -> Report {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| write_trees(&named, &options, image)).unwrap()
    };
    let report = write(1, &image);
    let again = trees[0].1.directory.path().join("again.img");
    assert_eq!(report, write(3, &again), "{case}");
    assert!(same_bytes(&image, &again), "{case}");

    assert_eq!(image.metadata().unwrap().len(), report.size, "{case}");
    match options.size {
        Size::Bytes(bytes) => assert_eq!(report.size, bytes, "{case}"),
        Size::Auto { headroom } => assert!(report.available >= headroom, "{case}"),
    }
    zdb_accepts_pool(&image, &options.name, &case);
    let objects = Objects::of(&image, &options.name);
    if let Some(objects) = &objects {
        objects.has_properties_of(&options);
    }

    let opened = Image::open(&image).unwrap();
    let verification = opened.verify().unwrap();
    assert_eq!(verification.findings, [], "{case}");
    let full = |name: &str| format!("{}/{name}", options.name);
    let mut names = vec![options.name.clone()];
    for dataset in &options.datasets {
        names.push(full(&dataset.name));
        names.extend(dataset.snapshot.iter().map(|s| format!("{}@{s}", full(&dataset.name))));
    }
    names.sort();
    assert!(opened.datasets().eq(names.iter().map(String::as_str)), "{case}");

    for (name, tree) in &trees {
        let dataset = options.datasets.iter().find(|dataset| dataset.name == *name).unwrap();
        let snapshot = dataset.snapshot.iter().map(|snapshot| format!("{}@{snapshot}", full(name)));
        for name in [full(name)].into_iter().chain(snapshot) {
            if let Some(objects) = &objects {
                objects.are_those_of(&name, &tree.proto.manifest);
            }
            reader_reads(&opened, &name, &tree.proto);
        }
    }
    if grub_can_read(&options) {
        let (name, tree) = &trees[0];
        grub_reads(&image, name, tree);
    }
}

/// GRUB refuses pools with a feature in use that it does not know.
fn grub_can_read(options: &PoolOptions) -> bool {
    !options.has(Feature::DeviceRemoval)
}
