//! The form in which C is declared here: functions, structures and constants, each by a macro that
//! also lists what it declared, for tests against what was measured of every release.

/// A function as it is declared here.
#[derive(Debug, Clone, Copy)]
pub struct DeclaredFunction {
    /// Its name in C.
    pub symbol: &'static str,
    /// The machine types of its arguments.
    pub arguments: &'static [&'static str],
    /// The machine type of its result.
    pub result: &'static str,
    /// The first and the last minor number of the releases for which it is declared so.
    pub minors: (u16, u16),
}

/// A structure as it is declared here.
#[derive(Debug, Clone, Copy)]
pub struct DeclaredLayout {
    /// Its name in C.
    pub name: &'static str,
    /// The first and the last minor number of the releases that have it so.
    pub minors: (u16, u16),
    /// Its size in bytes.
    pub size: usize,
    /// Its fields: name in C, offset, size.
    pub fields: &'static [(&'static str, usize, usize)],
}

/// A constant as it is declared here.
#[derive(Debug, Clone, Copy)]
pub struct DeclaredConstant {
    /// Its name in C.
    pub name: &'static str,
    /// The first and the last minor number of the releases that have it so.
    pub minors: (u16, u16),
    /// Its value.
    pub value: i128,
}

/// What the machine sees of a type that goes into or comes out of a C function.
pub trait MachineType {
    /// Its name: `i32`, `ptr`, `void` ...
    const NAME: &'static str;
}

macro_rules! machine_types {
    ($($type:ty: $name:literal,)*) => {
        $(impl MachineType for $type {
            const NAME: &'static str = $name;
        })*
    };
}

machine_types! {
    (): "void", bool: "bool", u8: "u8", u16: "u16", u32: "u32", u64: "u64", usize: "u64",
    i8: "i8", i16: "i16", i32: "i32", i64: "i64",
}

impl<T> MachineType for *const T {
    const NAME: &'static str = "ptr";
}

impl<T> MachineType for *mut T {
    const NAME: &'static str = "ptr";
}

impl<A, B, C, D, R> MachineType for unsafe extern "C" fn(A, B, C, D) -> R {
    const NAME: &'static str = "ptr";
}

/// Declares a table of C functions, one pointer each, filled from a library.
///
/// `field = "symbol": (arguments) -> result;`, with `[first, last]` behind the symbol if the
/// prototype is that of some releases only.
#[doc(hidden)]
#[macro_export]
macro_rules! functions {
    ($(#[$outer:meta])* pub struct $table:ident;
     $($(#[$doc:meta])* $field:ident = $symbol:literal $([$first:literal, $last:literal])?:
       ($($arg:ty),* $(,)?) $(-> $ret:ty)?;)*) => {
        $(#[$outer])*
        ///
        /// A pointer is `None` where the loaded library does not have the function, or not with this
        /// prototype.
        #[derive(Debug, Clone, Copy)]
        #[non_exhaustive]
        pub struct $table {
            $($(#[$doc])* #[doc(alias = $symbol)]
              pub $field: Option<unsafe extern "C" fn($($arg),*) $(-> $ret)?>,)*
        }

        impl $table {
            /// What is declared.
            pub const DECLARED: &'static [$crate::DeclaredFunction] = &[$(
                $crate::DeclaredFunction {
                    symbol: $symbol,
                    arguments: &[$(<$arg as $crate::MachineType>::NAME),*],
                    result: $crate::functions!(@result $($ret)?),
                    minors: $crate::functions!(@minors $($first, $last)?),
                },
            )*];

            /// Looks every function up that the release has with its prototype.
            ///
            /// # Safety
            /// `library` must be the library of these functions, of the release whose prototypes
            /// 4.`minor` has, and must never be unloaded.
            pub(crate) unsafe fn load(
                library: &libloading::os::unix::Library,
                minor: u16,
            ) -> Self {
                Self {
                    $($field: {
                        const MINORS: (u16, u16) = $crate::functions!(@minors $($first, $last)?);
                        if (MINORS.0..=MINORS.1).contains(&minor) {
                            // SAFETY: the symbol must have the type declared for it: the caller
                            // promises the library and its release, whose prototypes the table
                            // repeats.
                            unsafe { library.get($symbol) }.ok().map(|symbol| *symbol)
                        } else {
                            None
                        }
                    },)*
                }
            }
        }
    };
    (@result) => { "void" };
    (@result $ret:ty) => { <$ret as $crate::MachineType>::NAME };
    (@minors) => { $crate::ALL_MINORS };
    (@minors $first:literal, $last:literal) => { ($first, $last) };
}

/// Declares C structures, each with its size and the offset of every field, which are asserted.
///
/// `pub struct Name = "name in C" [first, last], N bytes { offset: field: type, ... }`; a field whose
/// name in C is no name in Rust has it in parentheses behind.
#[doc(hidden)]
#[macro_export]
macro_rules! c_structs {
    ($($(#[$doc:meta])* pub struct $name:ident = $c_name:literal [$first:literal, $last:literal],
       $size:literal bytes { $($offset:literal: $field:ident $(($c_field:literal))?: $type:ty),*
       $(,)? })*) => {
        $($(#[$doc])*
        #[repr(C)]
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
        #[allow(missing_docs, reason = "fields are those of the C structure")]
        pub struct $name {
            $(pub $field: $type,)*
        }

        const _: () = {
            assert!(size_of::<$name>() == $size);
            $(assert!(std::mem::offset_of!($name, $field) == $offset);)*
        };)*

        /// What is declared.
        pub(crate) const LAYOUTS: &[$crate::DeclaredLayout] = &[$(
            $crate::DeclaredLayout {
                name: $c_name,
                minors: ($first, $last),
                size: $size,
                fields: &[$((
                    $crate::c_structs!(@name $field $($c_field)?), $offset, size_of::<$type>(),
                )),*],
            },
        )*];
    };
    (@name $field:ident) => { stringify!($field) };
    (@name $field:ident $c_field:literal) => { $c_field };
}

/// Declares constants of C headers.
///
/// `NAME: type = value;`, with `("name in C")` behind the name if it differs, and `[first, last]`
/// behind that if it is that of some releases only.
#[doc(hidden)]
#[macro_export]
macro_rules! constants {
    ($($(#[$doc:meta])* $name:ident $(($c_name:literal))? $([$first:literal, $last:literal])?:
       $type:ty = $value:expr;)*) => {
        $($(#[$doc])* pub const $name: $type = $value;)*

        /// What is declared.
        pub(crate) const CONSTANTS: &[$crate::DeclaredConstant] = &[$(
            $crate::DeclaredConstant {
                name: $crate::c_structs!(@name $name $($c_name)?),
                minors: $crate::functions!(@minors $($first, $last)?),
                value: $name as i128,
            },
        )*];
    };
}
