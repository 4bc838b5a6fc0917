//! Safe libxenguest: building PV and PVH guests.
