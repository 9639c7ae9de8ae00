"""When a number is news: rules, the life of an alert, and the step that takes facts and tells transitions. Pure."""
