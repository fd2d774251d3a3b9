//! Zone states and the commands that change them, as zoneadmd numbers them.

use std::fmt;
use std::str::FromStr;

/// The state a zone is in when a change begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// 0: the zone has a configuration and nothing else.
    Configured,
    /// 1: an installation or removal is under way or was cut short.
    Incomplete,
    /// 2: the zone root is there.
    Installed,
    /// 3: the virtual platform is set up.
    Ready,
    /// 4: programs run.
    Running,
    /// 5: programs are being stopped.
    ShuttingDown,
    /// 6: no programs are left, the platform is being taken down.
    Down,
    /// 7: the zone root is mounted for maintenance.
    Mounted,
}

/// The change that zoneadmd makes. Other commands of zoneadmd reach hooks as one of these.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Command {
    /// 0: set up the virtual platform.
    Ready,
    /// 1: start the first program.
    Boot,
    /// 4: take everything down.
    Halt,
}

/// A number that is no state or command.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not a {what}: expected {expected}")]
pub struct Unknown {
    what: &'static str,
    text: String,
    expected: &'static str,
}

impl FromStr for State {
    type Err = Unknown;

    fn from_str(text: &str) -> Result<State, Unknown> {
        Ok(match text {
            "0" => State::Configured,
            "1" => State::Incomplete,
            "2" => State::Installed,
            "3" => State::Ready,
            "4" => State::Running,
            "5" => State::ShuttingDown,
            "6" => State::Down,
            "7" => State::Mounted,
            _ => {
                return Err(Unknown {
                    what: "zone state",
                    text: text.into(),
                    expected: "a number from 0 to 7",
                });
            }
        })
    }
}

impl FromStr for Command {
    type Err = Unknown;

    fn from_str(text: &str) -> Result<Command, Unknown> {
        Ok(match text {
            "0" => Command::Ready,
            "1" => Command::Boot,
            "4" => Command::Halt,
            _ => {
                return Err(Unknown {
                    what: "state change",
                    text: text.into(),
                    expected: "0 (ready), 1 (boot) or 4 (halt)",
                });
            }
        })
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            State::Configured => "configured",
            State::Incomplete => "incomplete",
            State::Installed => "installed",
            State::Ready => "ready",
            State::Running => "running",
            State::ShuttingDown => "shutting down",
            State::Down => "down",
            State::Mounted => "mounted",
        })
    }
}

impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Command::Ready => "ready",
            Command::Boot => "boot",
            Command::Halt => "halt",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_that_zoneadmd_sends_is_known() {
        let states: Vec<String> = (0..8)
            .filter_map(|n| n.to_string().parse::<State>().ok())
            .map(|s| s.to_string())
            .collect();
        assert_eq!(
            states,
            [
                "configured",
                "incomplete",
                "installed",
                "ready",
                "running",
                "shutting down",
                "down",
                "mounted"
            ]
        );
        let commands: Vec<String> = (0..10)
            .filter_map(|n| n.to_string().parse::<Command>().ok())
            .map(|c| c.to_string())
            .collect();
        assert_eq!(commands, ["ready", "boot", "halt"]);
    }

    #[test]
    fn other_texts_are_not() {
        for text in ["", "8", "-1", "02", "two", " 2"] {
            assert!(text.parse::<State>().is_err(), "{text:?}");
        }
        for text in ["", "2", "3", "5", "9", "boot"] {
            assert!(text.parse::<Command>().is_err(), "{text:?}");
        }
    }
}
