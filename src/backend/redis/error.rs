//! Failures between this process and Redis.

use std::{collections::BTreeMap, fmt, sync::Arc, time::Duration};

use redis::{ErrorKind, ServerErrorKind};

use super::{
    clock::Offset,
    fields::Unreadable,
    layout::{Layout, MOST_BYTES},
};

use crate::text::{count, duration, line, rounded_duration};

/// A failure of a Redis source. The overrides read last stay in force.
///
/// The message names the server, without its password, and a remedy.
///
/// # Example
///
/// ```
/// use flagstaff::source::{RedisError, RedisErrorKind, SourceHealth};
///
/// /// Returns `true` if our user needs more rights.
/// fn lacks_rights(source: &SourceHealth) -> bool {
///     let error = source.last_error.as_ref().and_then(|error| error.downcast_ref::<RedisError>());
///     error.is_some_and(|error| error.kind() == RedisErrorKind::Permission)
/// }
/// ```
#[derive(Clone, thiserror::Error)]
#[error("{message}")]
pub struct RedisError {
    kind: RedisErrorKind,
    message: String,
    #[source]
    cause: Option<Cause>,
}

crate::error::debug_is_message!(RedisError);

/// The message of the server or the system, unchanged.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{0}")]
struct Cause(String);

/// The kind of a [`RedisError`]. Logs and metrics name it by [`as_str`](Self::as_str).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RedisErrorKind {
    /// No server answers at the address: refused, no route, an unknown name, no socket.
    Unreachable,
    /// The server did not answer while the connection was made.
    ConnectTimeout,
    /// The server did not answer a command.
    ResponseTimeout,
    /// The server answers, but reading all flags takes too long.
    TooSlow,
    /// The connection broke.
    Lost,
    /// The server closed the connection while it was made.
    HungUp,
    /// No TLS connection could be agreed on.
    Tls,
    /// The user or the password was refused, or is missing.
    Auth,
    /// The user may not run a command or read a key.
    Permission,
    /// The server has no such database.
    Database,
    /// The key holds another type than flags.
    WrongType,
    /// The store has more flags than the source takes.
    TooManyFields,
    /// All values together have more bytes than the source takes.
    TooLarge,
    /// The log has the highest number, so no change can be added.
    LogFull,
    /// Some values are not valid overrides. Their flags keep the last good overrides; all others
    /// are in force.
    BadValue,
    /// The server came back without any overrides.
    LostStore,
    /// The server was out of memory and has evicted overrides, which stay in force.
    Evicted,
    /// The clock of this machine differs from that of the server, by which overrides end.
    Clock,
    /// The server is a replica, which accepts no writes.
    ReadOnly,
    /// The server is reading its data from disk.
    Loading,
    /// The server is a replica without its master and refuses to serve data that may be old.
    MasterDown,
    /// No sentinel has a master of this name.
    NoMaster,
    /// The cluster does not serve the key.
    ClusterDown,
    /// Another node of the cluster has the key. The next connection goes there.
    Moved,
    /// The server refused a command for another reason, such as being out of memory.
    Refused,
    /// The answer does not follow the protocol of Redis.
    Protocol,
}

impl RedisErrorKind {
    /// Returns a short, constant word, such as `connect_timeout`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unreachable => "unreachable",
            Self::ConnectTimeout => "connect_timeout",
            Self::ResponseTimeout => "response_timeout",
            Self::TooSlow => "too_slow",
            Self::Lost => "lost",
            Self::HungUp => "hung_up",
            Self::Tls => "tls",
            Self::Auth => "auth",
            Self::Permission => "permission",
            Self::Database => "database",
            Self::WrongType => "wrong_type",
            Self::TooManyFields => "too_many_fields",
            Self::TooLarge => "too_large",
            Self::LogFull => "log_full",
            Self::BadValue => "bad_value",
            Self::LostStore => "lost_store",
            Self::Evicted => "evicted",
            Self::Clock => "clock",
            Self::ReadOnly => "read_only",
            Self::Loading => "loading",
            Self::MasterDown => "master_down",
            Self::NoMaster => "no_master",
            Self::ClusterDown => "cluster_down",
            Self::Moved => "moved",
            Self::Refused => "refused",
            Self::Protocol => "protocol",
        }
    }

    /// Returns `true` if an operator has to repair something first, so that trying again soon
    /// cannot succeed.
    pub(super) const fn needs_action(self) -> bool {
        matches!(
            self,
            Self::Tls
                | Self::Auth
                | Self::Permission
                | Self::Database
                | Self::WrongType
                | Self::TooManyFields
                | Self::TooLarge
                | Self::Protocol
        )
    }
}

impl fmt::Display for RedisErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// The location of a failure, which messages name.
#[derive(Debug, Clone)]
pub(super) struct Place {
    /// The address of the server, without user and password.
    pub(super) node: Arc<str>,
    pub(super) user: Option<Arc<str>>,
    pub(super) key: Arc<str>,
}

impl RedisError {
    /// Returns the kind of the failure.
    #[must_use]
    pub const fn kind(&self) -> RedisErrorKind {
        self.kind
    }

    /// Returns a failure of a known kind, with the message of the server or the system.
    pub(super) fn new(kind: RedisErrorKind, place: &Place, cause: Option<String>) -> Self {
        Self::with_remedy(kind, Remedy::OfKind, place, cause)
    }

    fn with_remedy(
        kind: RedisErrorKind,
        remedy: Remedy,
        place: &Place,
        cause: Option<String>,
    ) -> Self {
        let Place { node, user, key } = place;
        let user = user.as_deref().unwrap_or("default");
        let answer = cause.as_deref().unwrap_or_default();
        let message = match kind {
            RedisErrorKind::Unreachable => format!("cannot reach Redis at `{node}`"),
            RedisErrorKind::ConnectTimeout => format!(
                "Redis at `{node}` does not answer: check the address, firewalls on the way, and whether the server \
                 expects TLS (`rediss://`) or does not support it"
            ),
            RedisErrorKind::ResponseTimeout => {
                format!("Redis at `{node}` does not answer any more")
            }
            RedisErrorKind::TooSlow => format!(
                "Redis at `{node}` began to answer, but did not send all of `{key}` in time: unless it hangs, allow \
                 more time with `response_timeout`, or keep fewer and smaller values there"
            ),
            RedisErrorKind::Lost => format!("lost the connection to Redis at `{node}`"),
            RedisErrorKind::HungUp => {
                format!(
                    "Redis at `{node}` hung up: check whether the server expects TLS (`rediss://`)"
                )
            }
            RedisErrorKind::Tls if remedy == Remedy::TrustAuthority => format!(
                "Redis at `{node}` has a certificate of an authority that is not trusted here: name it with \
                 `root_certificate`"
            ),
            RedisErrorKind::Tls if remedy == Remedy::SetCertificate => format!(
                "Redis at `{node}` asks for a client certificate: set one with `client_certificate`"
            ),
            RedisErrorKind::Tls => format!("no TLS connection to Redis at `{node}`"),
            RedisErrorKind::Auth if remedy == Remedy::SetPassword => format!(
                "Redis at `{node}` asks for a password: put it into the URL, as in `redis://user:password@host`"
            ),
            RedisErrorKind::Auth => {
                format!(
                    "Redis at `{node}` refuses user `{user}`: check user and password in the URL"
                )
            }
            RedisErrorKind::Permission => {
                let denied =
                    format!("Redis at `{node}` denies user `{user}` a right that flags need");
                match missing_rule(answer, key) {
                    Some(rule) => format!("{denied}: `ACL SETUSER {user} {rule}` grants it"),
                    None => denied,
                }
            }
            RedisErrorKind::Database => format!(
                "Redis at `{node}` refuses the database of the URL: a cluster has only 0, others 0 to 15 by default"
            ),
            RedisErrorKind::WrongType => format!(
                "`{key}` in Redis at `{node}`, or a key beside it such as its log, has another type than overrides \
                 have: another program uses that name, so choose another key"
            ),
            RedisErrorKind::TooManyFields => {
                format!("`{key}` in Redis at `{node}` has more fields than the source takes")
            }
            RedisErrorKind::TooLarge => format!(
                "`{key}` in Redis at `{node}` has more bytes than the source takes: remove the largest values"
            ),
            RedisErrorKind::LogFull => format!(
                "the log of `{key}` in Redis at `{node}` has an entry with the highest number, so no change can follow it: \
                 `DEL` the log, which loses the history"
            ),
            RedisErrorKind::BadValue => {
                format!("some values of `{key}` in Redis at `{node}` are not valid overrides")
            }
            RedisErrorKind::LostStore => format!(
                "Redis at `{node}` has lost its data or all overrides were deleted: `{key}` is gone since the \
                 connection was lost"
            ),
            RedisErrorKind::Evicted => format!(
                "Redis at `{node}` was out of memory and has evicted overrides in `{key}`, which stay in force: choose a \
                 `maxmemory-policy` such as `volatile-lru`, which evicts no key without an end"
            ),
            RedisErrorKind::Clock => format!(
                "the clock of this machine and that of Redis at `{node}` differ, so overrides end by that of Redis: set \
                 this one right, since rollouts and active windows go by it"
            ),
            RedisErrorKind::ReadOnly => {
                format!(
                    "Redis at `{node}` is a replica and accepts no writes: connect to its master"
                )
            }
            RedisErrorKind::Loading => {
                format!("Redis at `{node}` is still reading its data from disk")
            }
            RedisErrorKind::MasterDown => {
                format!("Redis at `{node}` is a replica that has lost its master")
            }
            RedisErrorKind::NoMaster => format!(
                "the sentinels at `{node}` have no such master: its name is that of `sentinel monitor` in their \
                 configuration"
            ),
            RedisErrorKind::ClusterDown => {
                format!("the Redis cluster at `{node}` does not serve `{key}`")
            }
            RedisErrorKind::Moved => {
                format!("`{key}` has moved from Redis at `{node}` to another node")
            }
            RedisErrorKind::Refused => format!("Redis at `{node}` refuses a command"),
            RedisErrorKind::Protocol => {
                format!("the server at `{node}` does not speak the protocol of Redis")
            }
        };
        Self::made(kind, &message, cause)
    }

    /// Returns an error whose message names keys and values of the store, and quotes the server.
    fn made(kind: RedisErrorKind, message: &str, cause: Option<String>) -> Self {
        let message = line(message).into_owned();
        Self { kind, message, cause: cause.map(|it| Cause(line(&it).into_owned())) }
    }

    /// Returns the failure of a command, or of the greeting, at `place`.
    pub(super) fn of(error: &redis::RedisError, place: &Place) -> Self {
        let remedy = match error.code() {
            Some("NOAUTH") => Remedy::SetPassword,
            _ => Remedy::OfKind,
        };
        Self::with_remedy(kind_of_answer(error), remedy, place, Some(answer_in(error)))
    }

    /// Returns the failure of a TLS connection. `error` is that of the system or of the library.
    pub(super) fn tls(
        error: &(dyn std::error::Error + 'static),
        remedy: Remedy,
        place: &Place,
    ) -> Self {
        Self::with_remedy(RedisErrorKind::Tls, remedy, place, Some(error.to_string()))
    }

    pub(super) fn too_many(place: &Place, fields: usize, max: usize) -> Self {
        let cause = format!("{fields} fields, and `max_fields` is {max}");
        Self::new(RedisErrorKind::TooManyFields, place, Some(cause))
    }

    pub(super) fn too_large(place: &Place, bytes: Option<usize>) -> Self {
        let most = MOST_BYTES / (1024 * 1024);
        let cause = match bytes {
            Some(bytes) => format!("{bytes} bytes, and {most} MiB is the most"),
            None => format!(
                "an answer of more than {most} MiB, or a name or an entry of the log that is too large"
            ),
        };
        Self::new(RedisErrorKind::TooLarge, place, Some(cause))
    }

    pub(super) fn too_slow(place: &Place, within: Duration) -> Self {
        let cause = format!("only a part came within {}", duration(within));
        Self::new(RedisErrorKind::TooSlow, place, Some(cause))
    }

    /// Returns the failure of values, by the names of their flags.
    pub(super) fn bad_values(
        problems: &BTreeMap<Vec<u8>, Unreadable>,
        layout: &Layout,
    ) -> Option<Self> {
        /// The number of values in the message, so that a store full of garbage does not flood the
        /// log.
        const SHOWN: usize = 5;

        let place = |name: &Vec<u8>| layout.place(&String::from_utf8_lossy(name));
        let (name, problem) = problems.first_key_value()?;
        let more = match problems.len() - 1 {
            0 => String::new(),
            more => format!(" (and {more} more)"),
        };
        // Each process has its own last good values, so one sentence holds in all of them.
        let then = "so services keep its last good value, or have the flag off";
        let message = format!("{} is not an override, {then}{more}", place(name));
        let shown = problems.iter().skip(1).take(SHOWN - 1);
        let all = shown.fold(problem.problem.clone(), |all, (name, Unreadable { problem })| {
            format!("{all}; {}: {problem}", place(name))
        });
        Some(Self::made(RedisErrorKind::BadValue, &message, Some(all)))
    }

    pub(super) fn evicted(place: &Place, flags: usize) -> Self {
        let verb = if flags == 1 { "is" } else { "are" };
        let cause = format!("{} {verb} gone", count(flags, "override"));
        Self::new(RedisErrorKind::Evicted, place, Some(cause))
    }

    pub(super) fn clock(place: &Place, offset: Offset) -> Self {
        let cause = match offset {
            Offset::Behind(distance) => format!("this one is {} fast", rounded_duration(distance)),
            Offset::Ahead(distance) => format!("this one is {} slow", rounded_duration(distance)),
        };
        Self::new(RedisErrorKind::Clock, place, Some(cause))
    }

    pub(super) fn timeout(kind: RedisErrorKind, place: &Place, after: Duration) -> Self {
        Self::new(kind, place, Some(format!("no answer within {}", duration(after))))
    }
}

/// Returns the kind of an error, if it is one of this backend.
pub(in crate::backend) fn kind_of(
    error: &(dyn std::error::Error + 'static),
) -> Option<&'static str> {
    Some(error.downcast_ref::<RedisError>()?.kind.as_str())
}

/// The remedy that the message of an error names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(not(feature = "redis-tls"), allow(dead_code, reason = "two remedies are for TLS"))]
pub(super) enum Remedy {
    /// The remedy for all failures of the kind.
    OfKind,
    /// The server asks for a password, and the URL has none.
    SetPassword,
    /// The certificate of the server is of an authority that is not trusted.
    TrustAuthority,
    /// The server asks for a client certificate.
    SetCertificate,
}

/// The parts of messages that a user may not run a command of a script: of Redis 7.0, and of later servers.
const SCRIPT_USER: [&str; 2] = ["he user executing the script can", "ACL failure in script"];

fn is_of_a_script(answer: &str) -> bool {
    SCRIPT_USER.iter().any(|part| answer.contains(part))
}

fn kind_of_answer(error: &redis::RedisError) -> RedisErrorKind {
    use RedisErrorKind as Kind;

    if error.is_timeout() {
        return Kind::ResponseTimeout;
    }
    match error.kind() {
        ErrorKind::AuthenticationFailed => Kind::Auth,
        ErrorKind::Io => Kind::Lost,
        ErrorKind::Server(kind) => match kind {
            ServerErrorKind::NoPerm => Kind::Permission,
            ServerErrorKind::ReadOnly => Kind::ReadOnly,
            ServerErrorKind::BusyLoading => Kind::Loading,
            ServerErrorKind::MasterDown => Kind::MasterDown,
            ServerErrorKind::ClusterDown | ServerErrorKind::TryAgain => Kind::ClusterDown,
            ServerErrorKind::Moved | ServerErrorKind::Ask => Kind::Moved,
            // The library drops the code when it selects the database. For commands within a
            // script, the server uses another message.
            _ if error.detail().is_some_and(is_of_a_script) => Kind::Permission,
            _ if error.to_string().contains("refused to switch database") => match error.detail() {
                Some(detail) if detail.contains("permissions") => Kind::Permission,
                _ => Kind::Database,
            },
            _ => Kind::Refused,
        },
        ErrorKind::Extension => match error.code() {
            Some("NOAUTH" | "WRONGPASS") => Kind::Auth,
            Some("WRONGTYPE") => Kind::WrongType,
            _ => Kind::Refused,
        },
        _ => Kind::Protocol,
    }
}

/// Returns the answer of the server as it was sent, or the message of the system.
fn answer_in(error: &redis::RedisError) -> String {
    match (error.code(), error.detail()) {
        (Some(code), Some(detail)) => format!("{code} {detail}"),
        // A parser at a loss returns a message of several lines.
        _ => error.to_string().lines().collect::<Vec<_>>().join(", "),
    }
}

/// Returns the missing rules of the access control list, if the server's message is about a command or a key.
fn missing_rule(answer: &str, key: &str) -> Option<String> {
    // `User reader has no permissions to run the 'client|tracking' command`, or `this user` in
    // older servers. The first apostrophe may be that of "can't".
    if let Some((_, command)) = answer.split_once("run the '") {
        let (command, _) = command.split_once("' command")?;
        let is_command = |it: &str| it.bytes().all(|it| it.is_ascii_lowercase() || it == b'|');
        return (!command.is_empty() && is_command(command)).then(|| format!("+{command}"));
    }
    let is_of_a_key = answer.contains("the keys") || answer.contains("a key");
    match is_of_a_script(answer) {
        true if is_of_a_key => Some(format!("~{key} ~{{{key}}}:*")),
        // The message does not name the command, so these are those of all scripts.
        true if answer.contains("command") => Some(
            "+get +set +del +pttl +hget +hset +hdel +hgetall +hlen +xadd +xdel +xrange +xrevrange +time +expire"
                .to_owned(),
        ),
        false if is_of_a_key => Some(format!("~{key}")),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCRIPTS: &str = concat!(
        include_str!("lua/shared.lua"),
        include_str!("lua/change.lua"),
        include_str!("lua/rename.lua"),
        include_str!("lua/announce.lua"),
        include_str!("lua/list_instances.lua"),
        include_str!("lua/report_usage.lua")
    );

    #[test]
    fn advice_names_only_commands_and_keys() {
        let rule = |answer: &str| missing_rule(answer, "flags").unwrap_or_default();
        for (answer, expected) in [
            ("NOPERM this user has no permissions to run the 'hgetall' command", "+hgetall"),
            (
                "NOPERM User o'brien has no permissions to run the 'client|tracking' command",
                "+client|tracking",
            ),
            (
                "NOPERM this user has no permissions to run the 'hget' command or its subcommand",
                "+hget",
            ),
            ("NOPERM this user has no permissions to run the 'x ~*' command", ""),
            ("NOPERM this user has no permissions to run the '' command", ""),
            (
                "NOPERM this user has no permissions to access one of the keys used as arguments",
                "~flags",
            ),
            ("NOPERM No permissions to access a key", "~flags"),
            (
                "NOPERM this user has no permissions to access one of the channels used as arguments",
                "",
            ),
            (
                "ERR ACL failure in script: User u has no permissions to run the 'xadd' command script: 7e30, on @user_script:12.",
                "+xadd",
            ),
            (
                "ERR The user executing the script can't access at least one of the keys mentioned in the command arguments script: 80d1, on @user_script:1.",
                "~flags ~{flags}:*",
            ),
            ("ERR something that nobody foresaw, isn't it", ""),
        ] {
            assert_eq!(rule(answer), expected, "{answer}");
        }
    }

    #[test]
    fn advice_for_a_script_names_each_command_of_all_scripts() {
        for answer in [
            "ERR The user executing the script can't run this command or subcommand script: 7e30, on @user_script:12.",
            "ERR The user executing the script can't run this command or subcommand",
        ] {
            let rule = missing_rule(answer, "flags").unwrap();

            assert!(!rule.contains(['\'', ':']), "{rule}");
            let calls = SCRIPTS.split("call('").skip(1);
            for command in calls.filter_map(|call| call.split('\'').next()) {
                let command = format!("+{}", command.to_ascii_lowercase());
                assert!(rule.split(' ').any(|it| it == command), "`{command}` in {rule}");
            }
        }
    }
}
