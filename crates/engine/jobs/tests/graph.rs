//! The graph through its public face.

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use jobs::{End, Error, Graph, Job, Quiet, Reporter, Stop};

fn run(graph: Graph, limit: usize, directory: &Path) -> Result<Vec<String>, Error> {
    let done = graph.run(limit, &directory.join("logs"), &Stop::new(), &Quiet)?;
    Ok(done.into_iter().map(|job| job.name).collect())
}

#[test]
fn never_more_jobs_in_flight_than_the_limit_and_as_many_as_it() {
    for limit in [1, 2, 3] {
        let directory = tempfile::tempdir().unwrap();
        let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let mut graph = Graph::new();
        for number in 0..9 {
            let (now, most) = (Arc::clone(&now), Arc::clone(&most));
            let job = Job::new(format!("job-{number}"), move |_| {
                most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                std::thread::sleep(Duration::from_millis(30));
                now.fetch_sub(1, Ordering::SeqCst);
                Ok(())
            });
            graph.add(job).unwrap();
        }
        run(graph, limit, directory.path()).unwrap();
        assert_eq!(most.load(Ordering::SeqCst), limit);
    }
}

#[test]
fn order_follows_from_files() {
    let directory = tempfile::tempdir().unwrap();
    let file = |name: &str| directory.path().join(name);
    let mut graph = Graph::new();
    for (name, reads, makes) in [
        ("zip", vec!["host", "tramp"], "repo"),
        ("h", vec!["os"], "host"),
        ("t", vec!["os"], "tramp"),
        ("o", vec![], "os"),
    ] {
        let path = file(makes);
        let job = Job::new(name, move |_| Ok(fs::write(path, name)?));
        graph.add(job.reads(reads.into_iter().map(&file)).makes([file(makes)])).unwrap();
    }
    let order = run(graph, 4, directory.path()).unwrap();
    assert_eq!(order[0], "o");
    assert_eq!(order[3], "zip");
}

#[test]
fn a_failure_stops_the_rest_and_shows_the_log() {
    let directory = tempfile::tempdir().unwrap();
    let ran = Arc::new(AtomicUsize::new(0));
    let mut graph = Graph::new();
    graph
        .add(Job::new("bad", |job| {
            for line in 0..50 {
                job.log(format_args!("line {line}"));
            }
            Err("no such package".into())
        }))
        .unwrap();
    for number in 0..5 {
        let ran = Arc::clone(&ran);
        let job = Job::new(format!("later-{number}"), move |_| {
            ran.fetch_add(1, Ordering::SeqCst);
            Ok(())
        });
        graph.add(job).unwrap();
    }
    match run(graph, 1, directory.path()).unwrap_err() {
        Error::Failed { job, log, tail, source } => {
            assert_eq!(job, "bad");
            assert_eq!(tail.len(), 20);
            assert_eq!(tail[19], "line 49");
            assert_eq!(source.to_string(), "no such package");
            assert!(fs::read_to_string(log).unwrap().ends_with("failed: no such package\n"));
        }
        other => panic!("{other}"),
    }
    assert_eq!(ran.load(Ordering::SeqCst), 0);
}

#[test]
fn a_request_to_stop_ends_external_programs() {
    let directory = tempfile::tempdir().unwrap();
    let stop = Stop::new();
    let mut graph = Graph::new();
    graph.add(Job::new("sleeper", |job| job.command("sleep").arguments(["60"]).run())).unwrap();
    struct StopAtStart(Stop);
    impl Reporter for StopAtStart {
        fn started(&self, _: &str) {
            let stop = self.0.clone();
            std::thread::spawn(move || {
                std::thread::sleep(Duration::from_millis(100));
                stop.request();
            });
        }
        fn finished(&self, _: &str, _: Duration, _: End, _: usize, _: usize) {}
    }
    let start = Instant::now();
    let result = graph.run(1, &directory.path().join("logs"), &stop, &StopAtStart(stop.clone()));
    assert!(matches!(result, Err(Error::Stopped)));
    assert!(start.elapsed() < Duration::from_secs(10));
}

#[test]
fn external_programs_are_logged_with_their_words() {
    let directory = tempfile::tempdir().unwrap();
    let mut graph = Graph::new();
    let job = Job::new("echo", |job| {
        job.command("sh")
            .arguments(["-c", "echo \"$WHO said it\"; exit 3"])
            .environment("WHO", Some("she".as_ref()))
            .run()
    });
    graph.add(job).unwrap();
    let error = run(graph, 1, directory.path()).unwrap_err();
    let Error::Failed { tail, source, .. } = error else { panic!("{error}") };
    assert_eq!(tail, [r#"$ env WHO=she sh -c 'echo "$WHO said it"; exit 3'"#, "she said it"]);
    assert!(source.to_string().contains("`sh` failed: exit status: 3"), "{source}");
}

#[test]
fn bad_graphs_are_refused_before_anything_runs() {
    let directory = tempfile::tempdir().unwrap();
    let file = |name: &str| directory.path().join(name);
    let ran = Arc::new(Mutex::new(false));
    let job = |name: &str| {
        let ran = Arc::clone(&ran);
        Job::new(name, move |_| {
            *ran.lock().unwrap() = true;
            Ok(())
        })
    };

    let mut graph = Graph::new();
    graph.add(job("a").makes([file("x")])).unwrap();
    assert!(matches!(graph.add(job("a")), Err(Error::SameName(_))));
    assert!(matches!(graph.add(job("b").makes([file("x")])), Err(Error::MadeTwice { .. })));

    let mut graph = Graph::new();
    graph.add(job("a").reads([file("nowhere")])).unwrap();
    assert!(matches!(run(graph, 1, directory.path()), Err(Error::NoInput { .. })));

    let mut graph = Graph::new();
    graph.add(job("a").reads([file("y")]).makes([file("x")])).unwrap();
    graph.add(job("b").reads([file("x")]).makes([file("y")])).unwrap();
    let Err(Error::Circle { jobs }) = run(graph, 1, directory.path()) else { panic!() };
    assert_eq!(jobs, ["a", "b", "a"]);
    assert!(!*ran.lock().unwrap());
}

#[test]
fn a_job_that_lies_about_its_outputs_or_panics_fails() {
    let directory = tempfile::tempdir().unwrap();
    let mut graph = Graph::new();
    graph.add(Job::new("liar", |_| Ok(())).makes([directory.path().join("x")])).unwrap();
    assert!(matches!(run(graph, 1, directory.path()), Err(Error::NotMade { .. })));

    let mut graph = Graph::new();
    graph.add(Job::new("bug", |_| panic!("oh"))).unwrap();
    let Err(Error::Failed { source, .. }) = run(graph, 1, directory.path()) else { panic!() };
    assert!(source.to_string().contains("panicked with `oh`"));
}
