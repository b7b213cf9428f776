//! Ids of users and groups, from the types that services keep them in.

use std::borrow::Cow;

/// A conversion into the id of a user or a group, which [`Context::user`] and [`Context::group`]
/// take.
///
/// Strings, integers and, with the feature `uuid`, `uuid::Uuid` are ids. An integer is the string
/// of its digits, and a UUID is lower-case and hyphenated, so a list in flags.toml has both as
/// strings. An `Option` is an id or none. The conversion cannot fail.
///
/// [`Context::user`]: crate::Context::user
/// [`Context::group`]: crate::Context::group
///
/// # Example
///
/// A type of your own becomes an id:
///
/// ```
/// use std::borrow::Cow;
///
/// use flagstaff::{Context, context::IntoId};
///
/// struct AccountId(u64);
///
/// impl<'a> IntoId<'a> for AccountId {
///     fn into_id(self) -> Option<Cow<'a, str>> {
///         self.0.into_id()
///     }
/// }
///
/// assert_eq!(Context::user(AccountId(42)), Context::user("42"));
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an id of a user or a group",
    note = "strings, integers and `Option`s of them are ids; so is `uuid::Uuid`, with the feature `uuid`",
    note = "implement `flagstaff::context::IntoId` for `{Self}`, or convert it with `.to_string()`"
)]
pub trait IntoId<'a> {
    /// Converts `self` into an id; `None` is an absent user or group.
    fn into_id(self) -> Option<Cow<'a, str>>;
}

impl<'a, T: IntoId<'a>> IntoId<'a> for Option<T> {
    #[inline]
    fn into_id(self) -> Option<Cow<'a, str>> {
        self.and_then(T::into_id)
    }
}

macro_rules! strings {
    ($($type:ty)+) => {
        $(
            impl<'a> IntoId<'a> for $type {
                #[inline]
                fn into_id(self) -> Option<Cow<'a, str>> {
                    Some(self.into())
                }
            }
        )+
    };
}

strings!(&'a str &'a String String Cow<'a, str>);

macro_rules! displayed {
    ($($type:ty)+) => {
        $(
            impl<'a> IntoId<'a> for $type {
                fn into_id(self) -> Option<Cow<'a, str>> {
                    Some(Cow::Owned(self.to_string()))
                }
            }
        )+
    };
}

displayed!(i8 i16 i32 i64 i128 isize u8 u16 u32 u64 u128 usize);

#[cfg(feature = "uuid")]
displayed!(uuid::Uuid);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_of_any_type_is_its_string() {
        let id = |id: Option<Cow<'static, str>>| id.map(Cow::into_owned);

        assert_eq!(id("ana".into_id()).as_deref(), Some("ana"));
        assert_eq!(id(u64::MAX.into_id()).as_deref(), Some("18446744073709551615"));
        assert_eq!(id(7_usize.into_id()).as_deref(), Some("7"));
        assert_eq!(id((-7_i64).into_id()).as_deref(), Some("-7"));
        assert_eq!(id(Some(Some(7)).into_id()).as_deref(), Some("7"));
        assert_eq!(id(None::<u64>.into_id()), None);
    }

    #[cfg(feature = "uuid")]
    #[test]
    fn a_uuid_is_lower_case_and_hyphenated() {
        let uuid = uuid::Uuid::from_u128(0xA1A2_A3A4_B1B2_C1C2_D1D2_D3D4_D5D6_D7D8);

        assert_eq!(uuid.into_id().unwrap(), "a1a2a3a4-b1b2-c1c2-d1d2-d3d4d5d6d7d8");
    }
}
