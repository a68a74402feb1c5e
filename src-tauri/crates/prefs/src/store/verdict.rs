//! What an annotator pressed, and which answer that means.

use serde::{Deserialize, Serialize};

/// An enum whose values are stored by name, the same name that goes to the page.
macro_rules! named {
    ($(#[$about:meta])* $name:ident { $($(#[$doc:meta])* $value:ident = $text:literal,)+ }) => {
        $(#[$about])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ts_rs::TS)]
        #[allow(missing_docs)]
        pub enum $name {
            $($(#[$doc])* #[serde(rename = $text)] $value,)+
        }

        impl $name {
            /// Its name as it is stored.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$value => $text,)+
                }
            }
        }

        impl rusqlite::types::ToSql for $name {
            fn to_sql(&self) -> rusqlite::Result<rusqlite::types::ToSqlOutput<'_>> {
                Ok(rusqlite::types::ToSqlOutput::from(self.name()))
            }
        }

        impl rusqlite::types::FromSql for $name {
            fn column_result(value: rusqlite::types::ValueRef<'_>) -> rusqlite::types::FromSqlResult<Self> {
                match value.as_str()? {
                    $($text => Ok(Self::$value),)+
                    other => Err(rusqlite::types::FromSqlError::Other(format!("no {} is called {other}", stringify!($name)).into())),
                }
            }
        }
    };
}
pub(super) use named;

named! {
    /// What was pressed, as the annotator saw the two answers.
    Verdict {
        /// The left answer is much better.
        LeftMuch = "left_much",
        /// The left answer is better.
        Left = "left",
        /// The right answer is better.
        Right = "right",
        /// The right answer is much better.
        RightMuch = "right_much",
        /// Both are equally good.
        TieGood = "tie_good",
        /// Both are equally bad.
        TieBad = "tie_bad",
        /// No verdict; the item comes back at the end.
        Skip = "skip",
    }
}

named! {
    /// What a verdict says of the item's own first and second answer, wherever these stood.
    Meaning {
        /// The first answer is much better.
        FirstMuch = "first_much",
        /// The first answer is better.
        First = "first",
        /// The second answer is better.
        Second = "second",
        /// The second answer is much better.
        SecondMuch = "second_much",
        /// Both are equally good.
        TieGood = "tie_good",
        /// Both are equally bad.
        TieBad = "tie_bad",
        /// No verdict.
        Skip = "skip",
    }
}

named! {
    /// A side of the screen.
    Side {
        Left = "left",
        Right = "right",
    }
}

named! {
    /// One of an item's two answers.
    ItemAnswer {
        /// The one that came first.
        First = "first",
        /// The one that came second.
        Second = "second",
    }
}

named! {
    /// What the annotators of an item say together.
    Majority {
        /// More than half find the first answer better.
        First = "first",
        /// More than half find the second answer better.
        Second = "second",
        /// More than half find neither better.
        Tie = "tie",
        /// No majority.
        None = "none",
    }
}

impl Verdict {
    /// The side that was found better.
    pub fn side(self) -> Option<Side> {
        match self {
            Self::LeftMuch | Self::Left => Some(Side::Left),
            Self::RightMuch | Self::Right => Some(Side::Right),
            Self::TieGood | Self::TieBad | Self::Skip => None,
        }
    }

    /// What this says when `left` is the answer that stood left.
    pub fn meaning(self, left: ItemAnswer) -> Meaning {
        let first_is_left = left == ItemAnswer::First;
        match self {
            Self::LeftMuch if first_is_left => Meaning::FirstMuch,
            Self::RightMuch if !first_is_left => Meaning::FirstMuch,
            Self::LeftMuch | Self::RightMuch => Meaning::SecondMuch,
            Self::Left if first_is_left => Meaning::First,
            Self::Right if !first_is_left => Meaning::First,
            Self::Left | Self::Right => Meaning::Second,
            Self::TieGood => Meaning::TieGood,
            Self::TieBad => Meaning::TieBad,
            Self::Skip => Meaning::Skip,
        }
    }
}

impl Meaning {
    /// The answer that was found better.
    pub fn better(self) -> Option<ItemAnswer> {
        match self {
            Self::FirstMuch | Self::First => Some(ItemAnswer::First),
            Self::SecondMuch | Self::Second => Some(ItemAnswer::Second),
            Self::TieGood | Self::TieBad | Self::Skip => None,
        }
    }
}

impl ItemAnswer {
    /// The other answer of the item.
    #[must_use]
    pub fn other(self) -> Self {
        match self {
            Self::First => Self::Second,
            Self::Second => Self::First,
        }
    }
}

impl Majority {
    /// What a strict majority of votes says, one vote per annotator; a skip is no vote. `None` where nobody voted.
    pub(super) fn of(votes: impl IntoIterator<Item = Meaning>) -> Option<Self> {
        let (mut first, mut second, mut ties) = (0, 0, 0);
        for vote in votes.into_iter().filter(|vote| *vote != Meaning::Skip) {
            match vote.better() {
                Some(ItemAnswer::First) => first += 1,
                Some(ItemAnswer::Second) => second += 1,
                None => ties += 1,
            }
        }
        let all = first + second + ties;
        let most = [(first, Self::First), (second, Self::Second), (ties, Self::Tie)];
        let majority = most.into_iter().find(|(count, _)| 2 * count > all).map(|(_, outcome)| outcome);
        (all > 0).then(|| majority.unwrap_or(Self::None))
    }

    /// The answer that the majority prefers.
    pub(super) fn better(self) -> Option<ItemAnswer> {
        match self {
            Self::First => Some(ItemAnswer::First),
            Self::Second => Some(ItemAnswer::Second),
            Self::Tie | Self::None => None,
        }
    }
}
