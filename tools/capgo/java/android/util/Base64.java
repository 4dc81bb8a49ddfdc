package android.util;

/** What the plugin's CryptoCipher needs of Android's class of this name: white space is read over. */
public class Base64 {

    public static final int DEFAULT = 0;

    public static byte[] decode(String text, int flags) {
        return java.util.Base64.getMimeDecoder().decode(text);
    }

    public static byte[] decode(byte[] text, int flags) {
        return java.util.Base64.getMimeDecoder().decode(text);
    }

    public static String encodeToString(byte[] bytes, int flags) {
        return java.util.Base64.getMimeEncoder(76, new byte[] { '\n' }).encodeToString(bytes) + "\n";
    }
}
