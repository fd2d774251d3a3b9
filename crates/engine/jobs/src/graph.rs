//! Jobs and who waits for whom.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use crate::{Context, Error, JobError};

type Action = Box<dyn FnOnce(&Context) -> Result<(), JobError> + Send>;

/// One piece of work.
pub struct Job {
    pub(crate) name: String,
    pub(crate) inputs: Vec<PathBuf>,
    pub(crate) outputs: Vec<PathBuf>,
    pub(crate) action: Action,
}

impl Job {
    /// A job that reads and makes nothing yet.
    pub fn new(
        name: impl Into<String>,
        action: impl FnOnce(&Context) -> Result<(), JobError> + Send + 'static,
    ) -> Self {
        Self {
            name: name.into(),
            inputs: Vec::new(),
            outputs: Vec::new(),
            action: Box::new(action),
        }
    }

    /// Adds files that must be there before the job starts.
    #[must_use]
    pub fn reads<P: AsRef<Path>>(mut self, paths: impl IntoIterator<Item = P>) -> Self {
        self.inputs.extend(paths.into_iter().map(|p| p.as_ref().to_owned()));
        self
    }

    /// Adds files that are there when the job has ended.
    #[must_use]
    pub fn makes<P: AsRef<Path>>(mut self, paths: impl IntoIterator<Item = P>) -> Self {
        self.outputs.extend(paths.into_iter().map(|p| p.as_ref().to_owned()));
        self
    }
}

impl std::fmt::Debug for Job {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Job")
            .field("name", &self.name)
            .field("inputs", &self.inputs)
            .field("outputs", &self.outputs)
            .finish_non_exhaustive()
    }
}

/// A set of jobs.
#[derive(Debug, Default)]
pub struct Graph {
    pub(crate) jobs: Vec<Job>,
    makers: HashMap<PathBuf, usize>,
}

impl Graph {
    /// A graph without jobs.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a job. Names and outputs must be its own.
    pub fn add(&mut self, job: Job) -> Result<(), Error> {
        if self.jobs.iter().any(|other| other.name == job.name) {
            return Err(Error::SameName(job.name));
        }
        for path in &job.outputs {
            if let Some(&first) = self.makers.get(path) {
                return Err(Error::MadeTwice {
                    path: path.clone(),
                    first: self.jobs[first].name.clone(),
                    second: job.name,
                });
            }
        }
        for path in &job.outputs {
            self.makers.insert(path.clone(), self.jobs.len());
        }
        self.jobs.push(job);
        Ok(())
    }

    /// The names of the jobs, in the order they were added.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.jobs.iter().map(|job| &*job.name)
    }

    /// For every job the jobs it waits for. Finds inputs that nobody makes, and circles.
    pub(crate) fn waits(&self) -> Result<Vec<Vec<usize>>, Error> {
        let mut waits = Vec::with_capacity(self.jobs.len());
        for job in &self.jobs {
            let mut before = Vec::new();
            for path in &job.inputs {
                match self.makers.get(path) {
                    Some(&maker) => before.push(maker),
                    None if path.exists() => {}
                    None => {
                        return Err(Error::NoInput { job: job.name.clone(), path: path.clone() });
                    }
                }
            }
            before.sort_unstable();
            before.dedup();
            waits.push(before);
        }
        self.refuse_circles(&waits)?;
        Ok(waits)
    }

    fn refuse_circles(&self, waits: &[Vec<usize>]) -> Result<(), Error> {
        // 0 not seen, 1 on the way, 2 done
        fn visit(
            job: usize,
            waits: &[Vec<usize>],
            state: &mut [u8],
            way: &mut Vec<usize>,
        ) -> Option<Vec<usize>> {
            match state[job] {
                2 => return None,
                1 => {
                    let start = way.iter().position(|&j| j == job).unwrap_or(0);
                    let mut circle = way[start..].to_vec();
                    circle.push(job);
                    return Some(circle);
                }
                _ => {}
            }
            state[job] = 1;
            way.push(job);
            for &before in &waits[job] {
                if let Some(circle) = visit(before, waits, state, way) {
                    return Some(circle);
                }
            }
            way.pop();
            state[job] = 2;
            None
        }
        let mut state = vec![0; waits.len()];
        for job in 0..waits.len() {
            if let Some(circle) = visit(job, waits, &mut state, &mut Vec::new()) {
                let jobs = circle.into_iter().map(|j| self.jobs[j].name.clone()).collect();
                return Err(Error::Circle { jobs });
            }
        }
        Ok(())
    }
}
