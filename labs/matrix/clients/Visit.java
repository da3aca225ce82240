// SPDX-License-Identifier: MIT
// Reads lines "URL TRUST" and fetches each page with HttpsURLConnection.
import java.io.*;
import java.net.URL;
import java.security.KeyStore;
import java.security.cert.*;
import javax.net.ssl.*;

public class Visit {
    static SSLSocketFactory trusting(String file) throws Exception {
        KeyStore store = KeyStore.getInstance(KeyStore.getDefaultType());
        store.load(null, null);
        int number = 0;
        try (InputStream in = new FileInputStream(file)) {
            CertificateFactory factory = CertificateFactory.getInstance("X.509");
            for (Certificate each : factory.generateCertificates(in))
                store.setCertificateEntry("root" + number++, each);
        }
        TrustManagerFactory trust = TrustManagerFactory.getInstance(
            TrustManagerFactory.getDefaultAlgorithm());
        trust.init(store);
        SSLContext context = SSLContext.getInstance("TLS");
        context.init(null, trust.getTrustManagers(), null);
        return context.getSocketFactory();
    }

    static void visit(String url, String trust) throws Exception {
        HttpsURLConnection link = (HttpsURLConnection) new URL(url).openConnection();
        link.setSSLSocketFactory(trusting(trust));
        link.setConnectTimeout(5000);
        link.setReadTimeout(5000);
        try (InputStream in = link.getInputStream()) {
            in.readAllBytes();
        } finally {
            link.disconnect();
        }
    }

    public static void main(String[] args) throws IOException {
        BufferedReader lines = new BufferedReader(new InputStreamReader(System.in));
        for (String line; (line = lines.readLine()) != null;) {
            String[] words = line.split(" ");
            String said = "ok";
            try {
                visit(words[0], words[1]);
            } catch (Throwable error) {
                said = String.valueOf(error).replace('\n', ' ');
            }
            System.out.println(said);
        }
    }
}
