//! The ROMs of an OS image: those that were given, and stand-ins for the others.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use jobs::Job;

use super::{Image, Places};
use crate::releng::roms::{self, BOARDS, STAND_IN};

impl Image {
    pub(super) fn rom_path(places: &Places, board: &str) -> PathBuf {
        places.set.join(format!("{board}.rom"))
    }

    pub(super) fn rom_job(self: &Arc<Self>, places: &Places) -> Job {
        let at = places.clone();
        let reads: Vec<PathBuf> = self.roms.iter().map(|(_, path)| path.clone()).collect();
        let made: Vec<PathBuf> =
            self.rom_boards().iter().map(|board| Self::rom_path(places, board)).collect();
        self.job("roms", move |image, job| {
            for board in image.rom_boards() {
                let to = Self::rom_path(&at, &board);
                match image.roms.iter().find(|(given, _)| *given == board) {
                    Some((_, from)) => {
                        fs::copy(from, &to)
                            .map_err(|error| format!("cannot copy {}: {error}", from.display()))?;
                    }
                    None => {
                        job.log(format_args!("{board}: a stand-in"));
                        let text = format!(
                            "{STAND_IN} It stands in for the {board} ROM of the {} \
                             image, which needs firmware that is not public. It does not boot.\n",
                            image.which.name()
                        );
                        fs::write(&to, text)?;
                    }
                }
            }
            Ok(())
        })
        .reads(reads)
        .makes(made)
    }

    /// The boards this image has ROMs for, given or stood in for.
    pub(super) fn rom_boards(&self) -> Vec<String> {
        let mut boards: Vec<String> = self.roms.iter().map(|(board, _)| board.clone()).collect();
        if self.stand_in_roms {
            let missing = |board: &&str| !self.roms.iter().any(|(given, _)| given == board);
            boards.extend(BOARDS.into_iter().filter(missing).map(str::to_owned));
        }
        boards.sort();
        boards
    }

    /// Whether any ROM is a stand-in, made here or given.
    pub(crate) fn has_stand_ins(&self) -> bool {
        self.rom_boards().len() > self.roms.len()
            || self.roms.iter().any(|(_, rom)| roms::is_stand_in(rom))
    }

    /// The boards that a repository needs and nobody gave.
    pub(crate) fn missing_roms(&self) -> Vec<&'static str> {
        let boards = self.rom_boards();
        BOARDS.into_iter().filter(|board| !boards.iter().any(|given| given == board)).collect()
    }
}
