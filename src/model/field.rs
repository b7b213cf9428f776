//! The names of settings, and the role of each in an evaluation.

use std::fmt;

use super::{
    Field,
    settings::{Effect, Roles},
};

impl Field {
    /// Returns the settings that an evaluation looks at, in its order.
    ///
    /// # Example
    ///
    /// ```
    /// use flagstaff::definition::Field;
    ///
    /// let steps: Vec<_> = Field::steps().collect();
    ///
    /// assert_eq!(steps[..3], [Field::Enabled, Field::Active, Field::Requires]);
    /// assert!(!steps.contains(&Field::Owner));
    /// ```
    pub fn steps() -> impl Iterator<Item = Self> {
        let place = |step| Self::ALL.iter().copied().find(|field| field.roles().step == step);
        (1..=u8::MAX).map_while(place)
    }

    /// Returns `true` for a setting for people alone, such as `owner`: evaluation does not look at it.
    #[must_use]
    pub const fn is_about(self) -> bool {
        self.roles().step == 0
    }

    /// Returns the effect of the setting on who gets the flag.
    ///
    /// # Example
    ///
    /// ```
    /// use flagstaff::definition::{Effect, Field};
    ///
    /// assert_eq!(Field::DeniedGroups.effect(), Effect::Denies);
    /// assert_eq!(Field::Salt.effect(), Effect::Selects);
    /// ```
    #[must_use]
    pub const fn effect(self) -> Effect {
        self.roles().effect
    }

    /// Returns `true` if the lists of all sources add up, as deny-lists do. Other settings are
    /// those of the strongest source that has them.
    ///
    /// # Example
    ///
    /// ```
    /// use flagstaff::definition::Field;
    ///
    /// assert!(Field::DeniedUsers.adds_up());
    /// assert!(!Field::AllowedUsers.adds_up());
    /// ```
    #[must_use]
    pub const fn adds_up(self) -> bool {
        matches!(self.effect(), Effect::Denies)
    }

    /// Returns `true` if the setting looks at groups or attributes of an evaluation context.
    #[must_use]
    pub const fn reads_attributes(self) -> bool {
        self.roles().reads_attributes
    }

    pub(crate) const fn roles(self) -> &'static Roles {
        &Self::ROLES[self as usize]
    }
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
