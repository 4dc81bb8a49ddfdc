package ee.forgr.capacitor_updater;

/** Stands in for the plugin's class of this name, which needs a web view: writes to stderr. */
public class Logger {

    private void say(String level, String text) {
        System.err.println(level + ": " + text);
    }

    public void error(String text) {
        say("error", text);
    }

    public void warn(String text) {
        say("warning", text);
    }

    public void info(String text) {
        say("info", text);
    }

    public void debug(String text) {
        say("debug", text);
    }
}
