package ee.forgr.capacitor_updater;

import java.io.File;
import java.nio.file.Files;
import java.nio.file.Path;

/**
 * Has the plugin's own CryptoCipher take a bundle: decrypts FILE where it lies, and prints what a
 * checksum decodes to.
 *
 *     java ee.forgr.capacitor_updater.Peer PUBLIC-KEY-FILE FILE SESSION-KEY CHECKSUM
 */
public class Peer {

    public static void main(String[] args) throws Exception {
        CryptoCipher.setLogger(new Logger());
        String key = Files.readString(Path.of(args[0]));
        CryptoCipher.decryptFile(new File(args[1]), key, args[2]);
        System.out.println(CryptoCipher.decryptChecksum(args[3], key));
        System.out.println(CryptoCipher.calcChecksum(new File(args[1])));
        try {
            System.out.println(CryptoCipher.class.getMethod("calcKeyId", String.class).invoke(null, key));
        } catch (NoSuchMethodException older) {
            System.out.println("none");
        }
    }
}
