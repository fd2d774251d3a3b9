//! Loading a template: includes and features resolved, everything checked.

use std::fmt::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::fields::Fields;
use crate::finding::{Report, suggestion};
use crate::json::{self, Kind, Value};
use crate::{
    Error, Features, Finding, PoolDescription, Search, Section, Severity, Step, features, read,
};

/// A template ready to be applied: the steps that will run, in order, each with its origin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// The main template's file.
    pub template: Arc<Path>,
    /// What the template makes.
    pub section: Option<Section>,
    /// The steps.
    pub steps: Vec<PlannedStep>,
    /// How many steps and includes their guards left out.
    pub skipped: usize,
    /// Where external sources are looked for.
    pub(crate) search: Search,
}

/// One step of a plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlannedStep {
    /// Where it is written.
    pub origin: Origin,
    /// The step.
    pub step: Step,
}

/// A place in a template file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// The file.
    pub file: Arc<Path>,
    /// The line, from 1.
    pub line: usize,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file.display(), self.line)
    }
}

/// More steps than any template has; stops includes that multiply each other.
const MOST_STEPS: usize = 100_000;

/// Checks a template with everything it includes, for the given features, without applying
/// anything. Steps that their guards leave out are checked for their form, not for their files.
pub fn check(search: &Search, name: &str, features: &Features) -> Vec<Finding> {
    examine(search, name, features).1
}

/// Loads a template. Any finding that is an error refuses it.
pub fn load(search: &Search, name: &str, features: &Features) -> Result<Plan, Error> {
    let (plan, mut findings) = examine(search, name, features);
    if findings.iter().any(|f| f.severity == Severity::Error) {
        findings.retain(|f| f.severity == Severity::Error);
        return Err(Error::Refused { template: plan.template.to_path_buf(), findings });
    }
    Ok(plan)
}

/// The pool that a template describes, with the datasets that its steps make. Files that the steps
/// would put into it need not be there.
pub fn describe_pool(
    search: &Search,
    name: &str,
    features: &Features,
) -> Result<PoolDescription, Error> {
    let (plan, mut findings) = examine(search, name, features);
    let Some(Section::Pool(mut pool)) = plan.section else {
        findings.retain(|finding| finding.severity == Severity::Error);
        let template = plan.template.to_path_buf();
        return Err(match findings.is_empty() {
            true => Error::Begin { template, reason: "it describes no pool".to_owned() },
            false => Error::Refused { template, findings },
        });
    };
    for planned in &plan.steps {
        match &planned.step {
            Step::CreateBe => pool.boot_environment = true,
            Step::CreateDataset { name, mountpoint } => {
                pool.datasets.push((name.clone(), mountpoint.clone()));
            }
            Step::MakeBootable => pool.bootable = true,
            _ => {}
        }
    }
    Ok(pool)
}

fn examine(search: &Search, name: &str, features: &Features) -> (Plan, Vec<Finding>) {
    let file = search.template(name);
    let mut loader = Loader {
        search,
        features,
        findings: Vec::new(),
        steps: Vec::new(),
        skipped: 0,
        open: Vec::new(),
        included: 0,
    };
    let section = match std::fs::read_to_string(&file) {
        Ok(text) => loader.template(&Arc::from(&*file), &text, true),
        Err(error) => {
            let mut message = format!("template `{name}` cannot be read: {error}");
            message.push_str(&nearest_template(search, name));
            let mut report = Report { file: &file, findings: &mut loader.findings };
            report.error(1, message);
            None
        }
    };
    let mut findings = loader.findings;
    findings.sort();
    findings.dedup();
    let plan = Plan {
        template: Arc::from(file),
        section,
        steps: loader.steps,
        skipped: loader.skipped,
        search: search.clone(),
    };
    (plan, findings)
}

fn nearest_template(search: &Search, name: &str) -> String {
    let Ok(entries) = std::fs::read_dir(search.group_directory()) else {
        return String::new();
    };
    let names: Vec<String> = entries
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter_map(|file| file.strip_suffix(".json").map(str::to_owned))
        .collect();
    suggestion(name, names.iter().map(String::as_str))
}

struct Loader<'a> {
    search: &'a Search,
    features: &'a Features,
    findings: Vec<Finding>,
    steps: Vec<PlannedStep>,
    skipped: usize,
    /// The files being read, outermost first.
    open: Vec<PathBuf>,
    included: usize,
}

impl Loader<'_> {
    fn template(&mut self, file: &Arc<Path>, text: &str, main: bool) -> Option<Section> {
        let value = match json::parse(text) {
            Ok(value) => value,
            Err(problem) => {
                Report { file, findings: &mut self.findings }.error(problem.line, problem.what);
                return None;
            }
        };
        self.open.push(file.to_path_buf());
        let section = self.sections(file, &value, main);
        if let Kind::Object(members) = &value.kind {
            match members.iter().find(|m| m.key == "steps").map(|m| &m.value) {
                Some(Value { kind: Kind::Array(steps), .. }) => {
                    for step in steps {
                        self.step(file, step);
                    }
                }
                Some(other) => Report { file, findings: &mut self.findings }
                    .error(other.line, format!("`steps` is a list, not {}", other.word())),
                None => Report { file, findings: &mut self.findings }
                    .error(value.line, "a template needs `steps`"),
            }
        }
        self.open.pop();
        section
    }

    fn sections(&mut self, file: &Arc<Path>, value: &Value, main: bool) -> Option<Section> {
        let features = self.features;
        let mut report = Report { file, findings: &mut self.findings };
        let mut known = vec!["steps"];
        known.extend(read::SECTIONS);
        let mut fields = Fields::new(value, "a template", &mut report, Some(features))?;
        fields.only(&known);
        let given: Vec<(&str, &Value)> =
            read::SECTIONS.into_iter().filter_map(|key| Some((key, fields.get(key)?))).collect();
        match given[..] {
            [] => None,
            [(key, section)] if main => {
                let what = format!("`{key}`");
                let mut fields = Fields::new(section, what, &mut report, Some(features))?;
                read::section(key, &mut fields)
            }
            [(key, section), ..] if !main => {
                report.error(section.line, format!("an include has no `{key}` section"));
                None
            }
            [(first, _), (second, section), ..] => {
                let message = format!("a template makes one thing: `{first}` or `{second}`");
                report.error(section.line, message);
                None
            }
            [_] => None,
        }
    }

    fn step(&mut self, file: &Arc<Path>, value: &Value) {
        let mut report = Report { file, findings: &mut self.findings };
        let Some(mut fields) = Fields::new(value, "a step", &mut report, None) else { return };
        let Some(kind) = fields.plain("t") else { return };
        fields.what = format!("step `{kind}`");
        if !read::check_keys(&mut fields, kind) {
            return;
        }
        let (with, without) = (fields.plain_opt("with"), fields.plain_opt("without"));
        for (key, name) in [("with", with), ("without", without)] {
            if let Some(name) = name.filter(|name| !features::is_name(name)) {
                let line = fields.line;
                let message = format!("`{key}` takes the name of one feature, not `{name}`");
                report.error(line, message);
                return;
            }
        }
        let runs = with.is_none_or(|f| self.features.has(f))
            && without.is_none_or(|f| !self.features.has(f));
        self.skipped += usize::from(!runs);
        let what = format!("step `{kind}`");
        let features = runs.then_some(self.features);
        let Some(mut fields) = Fields::new(value, what, &mut report, features) else { return };
        if kind == "include" {
            let (name, by_path) = (fields.text("name"), fields.text_opt("file"));
            let failed = fields.has("file") && by_path.is_none();
            if let (true, Some(name), false) = (runs, name, failed) {
                self.include(file, value.line, &name, by_path.as_deref());
            }
            return;
        }
        let step = read::step(kind, &mut fields, self.search);
        if let (true, Some(step)) = (runs, step) {
            let origin = Origin { file: file.clone(), line: value.line };
            if self.steps.len() == MOST_STEPS {
                let message = format!("more than {MOST_STEPS} steps; do includes multiply?");
                report.error(value.line, message);
            }
            if self.steps.len() <= MOST_STEPS {
                self.steps.push(PlannedStep { origin, step });
            }
        }
    }

    fn include(&mut self, file: &Arc<Path>, line: usize, name: &str, by_path: Option<&str>) {
        let mut report = Report { file, findings: &mut self.findings };
        let places: Vec<PathBuf> = match by_path {
            Some(path) if Path::new(path).is_absolute() => vec![path.into()],
            Some(path) => {
                report.error(line, format!("`file` is an absolute path, not `{path}`"));
                return;
            }
            None if crate::search::stays_below(name) => self.search.include_places(name).into(),
            None => {
                report.error(line, format!("`{name}` is not the name of an include"));
                return;
            }
        };
        let Some(place) = places.iter().find(|place| place.is_file()) else {
            let places: Vec<String> = places.iter().map(|p| p.display().to_string()).collect();
            let message = format!("include `{name}` is missing: no {}", places.join(", no "));
            report.error(line, message);
            return;
        };
        if let Some(first) = self.open.iter().position(|open| open == place) {
            let mut names: Vec<String> = self.open[first..]
                .iter()
                .chain([place])
                .map(|file| file.file_stem().unwrap_or_default().to_string_lossy().into_owned())
                .collect();
            names.dedup();
            report.error(line, format!("includes go in a circle: {}", names.join(" includes ")));
            return;
        }
        self.included += 1;
        if self.included > MOST_STEPS || self.steps.len() > MOST_STEPS {
            return;
        }
        match std::fs::read_to_string(place) {
            Ok(text) => {
                let place: Arc<Path> = Arc::from(&**place);
                self.template(&place, &text, false);
            }
            Err(error) => {
                report.error(line, format!("cannot read {}: {error}", place.display()));
            }
        }
    }
}

impl Plan {
    /// The final list of steps, one per line: number, type, subject and origin.
    pub fn explain(&self) -> String {
        let mut text = String::new();
        for (number, planned) in (1..).zip(&self.steps) {
            let (step, origin) = (&planned.step, &planned.origin);
            let line = format!("{number:>5}  {:<19} {}", step.word(), step.subject());
            let _ = writeln!(text, "{}  [{origin}]", line.trim_end());
        }
        text
    }
}
