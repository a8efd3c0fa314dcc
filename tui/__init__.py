"""The application: command line, settings, fleet store, headless commands; app, screens, keys."""
