//! What one run of a program took: time by the clock, time of processors, memory.

use std::collections::BTreeMap;
use std::fs;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::failure::Failure;

/// What a run took.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cost {
    /// Time by the clock.
    pub(crate) wall: Duration,
    /// Time of processors, in user and in system mode, of the program and all it started.
    pub(crate) cpu: Duration,
    /// Peak of resident memory in bytes, summed over the program and all it started.
    pub(crate) peak: u64,
}

/// The kernel counts processor time for /proc in hundredths of a second, on every platform.
const TICK: Duration = Duration::from_millis(10);

/// How often memory is looked at. The peak that is read is that of the whole life of a process, so
/// that only what happens within its last moments can be missed.
const INTERVAL: Duration = Duration::from_millis(5);

/// Runs a command and waits for it. A command that fails is an error.
pub(crate) fn run(command: &mut Command) -> Result<Cost, Failure> {
    let shown = format!("{command:?}");
    let before = children_time()?;
    let start = Instant::now();
    let mut child = command.spawn().map_err(|error| format!("cannot run {shown}: {error}"))?;
    let id = child.id();
    let ended = AtomicBool::new(false);
    let (status, wall, peak) = std::thread::scope(|scope| {
        let watch = scope.spawn(|| {
            let mut peaks = BTreeMap::new();
            while !ended.load(Ordering::Relaxed) {
                note_peaks(id, &mut peaks);
                std::thread::sleep(INTERVAL);
            }
            peaks.values().sum()
        });
        let status = child.wait();
        let wall = start.elapsed();
        ended.store(true, Ordering::Relaxed);
        (status, wall, watch.join().unwrap_or_default())
    });
    let status = status.map_err(|error| format!("cannot wait for {shown}: {error}"))?;
    if !status.success() {
        return Err(Failure::new(format!("{shown} failed: {status}")));
    }
    let cpu = children_time()?.saturating_sub(before);
    Ok(Cost { wall, cpu, peak })
}

/// The peak of this process's own resident memory so far, in bytes.
pub(crate) fn own_peak() -> u64 {
    peak_of("self").unwrap_or_default()
}

/// What a part of this process took, in seconds: what comes before is not counted.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct Part {
    wall: f64,
    cpu: f64,
}

impl Part {
    /// Measures an action.
    pub(crate) fn of<T>(action: impl FnOnce() -> Result<T, Failure>) -> Result<(Self, T), Failure> {
        let (start, before) = (Instant::now(), own_time()?);
        let value = action()?;
        let cpu = own_time()?.saturating_sub(before).as_secs_f64();
        Ok((Self { wall: start.elapsed().as_secs_f64(), cpu }, value))
    }

    /// The cost of a run of which only this part counts.
    pub(crate) fn instead_of(self, cost: Cost) -> Cost {
        let duration = Duration::from_secs_f64;
        Cost { wall: duration(self.wall), cpu: duration(self.cpu), ..cost }
    }
}

/// Time of processors that children took which have ended and were waited for, with theirs.
fn children_time() -> Result<Duration, Failure> {
    times([13, 14])
}

/// Time of processors that this process took itself.
fn own_time() -> Result<Duration, Failure> {
    times([11, 12])
}

/// The sum of two of this process's times, by their places behind its name.
fn times(places: [usize; 2]) -> Result<Duration, Failure> {
    let text = fs::read_to_string("/proc/self/stat")
        .map_err(|error| format!("cannot read /proc/self/stat: {error}"))?;
    // The second field is a name in parentheses and may have blanks in it.
    let (_, fields) = text.rsplit_once(')').unwrap_or_default();
    let ticks = |index: usize| fields.split_whitespace().nth(index)?.parse::<u32>().ok();
    match places.map(ticks) {
        [Some(user), Some(system)] => Ok(TICK * (user + system)),
        _ => Err(Failure::new("/proc/self/stat does not tell times of processors")),
    }
}

/// Notes the peaks of a process and all its descendants as far as they live.
fn note_peaks(id: u32, peaks: &mut BTreeMap<u32, u64>) {
    if let Some(peak) = peak_of(&id.to_string()) {
        // Not the larger one: before it runs its own program, a process has its parent's memory.
        peaks.insert(id, peak);
    }
    let Ok(tasks) = fs::read_dir(format!("/proc/{id}/task")) else { return };
    for task in tasks.flatten() {
        let children = fs::read_to_string(task.path().join("children")).unwrap_or_default();
        for child in children.split_whitespace().filter_map(|text| text.parse().ok()) {
            note_peaks(child, peaks);
        }
    }
}

fn peak_of(process: &str) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim_end().parse().ok()?;
    Some(kibibytes << 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pipeline_is_measured_whole() {
        // 64 MiB are held in a child of the shell for a while.
        let script = "head -c 67108864 /dev/zero | (tail -c 67108864; sleep 0.2) > /dev/null";
        let cost = run(Command::new("sh").args(["-c", script])).unwrap();
        assert!(cost.wall >= Duration::from_millis(200), "{cost:?}");
        assert!(cost.peak > 64 << 20, "{cost:?}");
        assert!(run(Command::new("sh").args(["-c", "exit 3"])).is_err());
    }

    #[test]
    fn a_part_of_a_process_is_measured() {
        let wait = || {
            std::thread::sleep(Duration::from_millis(50));
            Ok(())
        };
        let (part, ()) = Part::of(wait).unwrap();
        let cost = Cost { wall: Duration::MAX, cpu: Duration::ZERO, peak: 5 };
        let cost = part.instead_of(cost);
        assert!(cost.wall >= Duration::from_millis(50) && cost.wall < Duration::from_secs(50));
        assert_eq!(cost.peak, 5);
    }

    #[test]
    fn own_peak_is_told() {
        assert!(own_peak() > 1 << 20);
    }
}
