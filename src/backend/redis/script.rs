//! The scripts that the server runs, and the answers of those that change flags.
//!
//! Each script is a file in `lua/`. Its head names the arguments in their order.

use std::sync::LazyLock;

use redis::{FromRedisValue, ParsingError, Script, Value, from_redis_value};

/// Changes the value of one flag.
pub(super) static CHANGE: LazyLock<Script> = LazyLock::new(|| {
    Script::new(concat!(include_str!("lua/shared.lua"), include_str!("lua/change.lua")))
});

/// Moves or copies the value of a flag to another name.
pub(super) static RENAME: LazyLock<Script> = LazyLock::new(|| {
    Script::new(concat!(include_str!("lua/shared.lua"), include_str!("lua/rename.lua")))
});

/// Records what an instance has seen.
pub(super) static ANNOUNCE: LazyLock<Script> =
    LazyLock::new(|| Script::new(include_str!("lua/announce.lua")));

/// Lists the instances, with the time of the server.
pub(super) static LIST_INSTANCES: LazyLock<Script> =
    LazyLock::new(|| Script::new(include_str!("lua/list_instances.lua")));

/// Records the flags that an instance has, and those that it evaluates.
pub(super) static REPORT_USAGE: LazyLock<Script> =
    LazyLock::new(|| Script::new(include_str!("lua/report_usage.lua")));

/// An answer of [`CHANGE`] or [`RENAME`].
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// The change was made, with this revision.
    Done(Option<u64>),
    /// There was nothing to do.
    Nothing,
    /// The stored value is not the expected one.
    Differs(Option<Vec<u8>>),
    /// The stored value has so many bytes that it cannot be an override.
    Large(usize),
    /// The store has as many fields as readers accept.
    Full(usize),
    /// The numbers of the log end with this entry.
    LogFull(Option<String>),
}

impl FromRedisValue for Answer {
    fn from_redis_value(answer: Value) -> Result<Self, ParsingError> {
        let mut answer = from_redis_value::<Vec<Value>>(answer)?.into_iter();
        let status: String = from_redis_value(answer.next().unwrap_or(Value::Nil))?;
        let rest: Option<Vec<u8>> = from_redis_value(answer.next().unwrap_or(Value::Nil))?;
        let text = || rest.as_ref().map(|rest| String::from_utf8_lossy(rest).into_owned());
        // As text: an integer of Lua loses digits in an answer of Redis.
        let number = || text().and_then(|text| text.parse::<u64>().ok());
        let size = || number().map_or(0, |number| usize::try_from(number).unwrap_or(usize::MAX));
        Ok(match &*status {
            "done" => Self::Done(number()),
            "nothing" => Self::Nothing,
            "differs" => Self::Differs(rest),
            "large" => Self::Large(size()),
            "full" => Self::Full(size()),
            "log full" => Self::LogFull(text()),
            _ => return Err(format!("the script answered `{status}`").into()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the names that the head of a script gives to its arguments, in their order.
    fn arguments<'s>(script: &'s str, list: &str) -> Vec<(&'s str, usize)> {
        let named = script.lines().filter_map(|line| {
            let (name, value) = line.strip_prefix("local ")?.split_once(" = ")?;
            let value = value.strip_prefix("tonumber(").unwrap_or(value);
            let index = value.strip_prefix(list)?.strip_prefix('[')?;
            Some((name, index[..index.find(']')?].parse().ok()?))
        });
        named.collect()
    }

    #[test]
    fn the_head_of_a_script_names_each_argument_once_and_in_order() {
        for (name, script, keys, values) in [
            ("change", include_str!("lua/change.lua"), 2, 13),
            ("rename", include_str!("lua/rename.lua"), 3, 10),
            ("announce", include_str!("lua/announce.lua"), 1, 3),
            ("list_instances", include_str!("lua/list_instances.lua"), 1, 0),
            ("report_usage", include_str!("lua/report_usage.lua"), 1, 1),
        ] {
            for (list, count) in [("KEYS", keys), ("ARGV", values)] {
                let named = arguments(script, list);
                let indices: Vec<_> = named.iter().map(|(_, index)| *index).collect();
                assert_eq!(indices, Vec::from_iter(1..=count), "{name}: {named:?}");
            }
        }
    }

    #[test]
    fn an_answer_that_no_script_gives_is_an_error() {
        let answer = |status: &str| {
            let status = Value::BulkString(status.into());
            from_redis_value::<Answer>(Value::Array(vec![status]))
        };

        assert_eq!(answer("nothing").unwrap(), Answer::Nothing);
        assert!(answer("undone").is_err());
        assert!(from_redis_value::<Answer>(Value::Array(Vec::new())).is_err());
    }
}
