//! Safe libxenctrl: domains, memory, event-channel allocation, host information.
