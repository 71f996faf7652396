import com.google.protobuf.Any;
import com.google.protobuf.ByteString;
import com.google.protobuf.InvalidProtocolBufferException;
import com.google.rpc.ErrorInfo;
import com.google.rpc.Status;
import io.grpc.ChannelCredentials;
import io.grpc.Grpc;
import io.grpc.ManagedChannel;
import io.grpc.StatusRuntimeException;
import io.grpc.TlsChannelCredentials;
import io.grpc.protobuf.StatusProto;
import java.io.File;
import java.io.IOException;
import java.security.GeneralSecurityException;
import java.security.MessageDigest;
import java.security.Signature;
import java.security.cert.X509Certificate;
import java.util.EnumSet;
import java.util.Set;
import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.TimeUnit;
import toroku.certificate.v1.ResolveUserRequest;
import toroku.certificate.v1.ResolveUserResponse;
import toroku.certificate.v1.UserLookupGrpc;

/** Verifies that a user has a card, and asks Toroku whose card it is. */
public final class AskWhoseCardItIs implements AutoCloseable {
  private static final long ATTEMPT_MILLISECONDS = 3_000;
  private static final long[] PAUSES = {200, 1_000};
  /** The same question again may be answered. */
  private static final Set<io.grpc.Status.Code> WORTH_REPEATING =
      EnumSet.of(
          io.grpc.Status.Code.UNAVAILABLE,
          io.grpc.Status.Code.DEADLINE_EXCEEDED,
          io.grpc.Status.Code.RESOURCE_EXHAUSTED);

  private final ManagedChannel channel;

  /** One for the whole process: it keeps one connection, and opens it again when it was closed. */
  public AskWhoseCardItIs(String address, String serverName, File ca, File certificate, File privateKey)
      throws IOException {
    ChannelCredentials credentials =
        TlsChannelCredentials.newBuilder().trustManager(ca).keyManager(certificate, privateKey).build();
    // The name in the service's certificate, however you reach it.
    channel = Grpc.newChannelBuilder(address, credentials).overrideAuthority(serverName).build();
  }

  /**
   * Returns the SHA-256 of the certificate if its key signed the challenge.
   *
   * @param challenge the bytes that your server made for this log-in: text of your own and 32 random bytes; used once,
   *     for five minutes at most
   * @param algorithm SHA256withRSA for a key of at least 2048 bits, SHA256withECDSA on P-256, SHA384withECDSA on P-384:
   *     chosen by the key, not by the user
   */
  public static byte[] verifyPossession(
      byte[] challenge, X509Certificate certificate, String algorithm, byte[] signature)
      throws GeneralSecurityException {
    Signature verifier = Signature.getInstance(algorithm);
    verifier.initVerify(certificate.getPublicKey());
    verifier.update(challenge);
    if (!verifier.verify(signature)) {
      throw new GeneralSecurityException("the signature is not valid");
    }
    return MessageDigest.getInstance("SHA-256").digest(certificate.getEncoded());
  }

  /** Returns the bidder to let in, or null; whatever is not GOOD is not let in, also what is not known yet. */
  public String findBidder(String agency, String category, byte[] certificateSha256) throws InterruptedException {
    ResolveUserRequest request =
        ResolveUserRequest.newBuilder()
            .setAgency(agency)
            .setCategory(category)
            .setCertificateSha256(ByteString.copyFrom(certificateSha256))
            .setPossessionVerified(true)
            .build();
    ResolveUserResponse answer = askPatiently(request);
    return answer.getVerdict() == ResolveUserResponse.Verdict.VERDICT_GOOD ? answer.getBidderId() : null;
  }

  private ResolveUserResponse askPatiently(ResolveUserRequest request) throws InterruptedException {
    for (long pause : PAUSES) {
      try {
        return ask(request);
      } catch (StatusRuntimeException error) {
        if (!WORTH_REPEATING.contains(error.getStatus().getCode())) {
          throw error;
        }
        // Not all at the same instant: before a deadline all users of a prefecture ask.
        Thread.sleep(pause / 2 + ThreadLocalRandom.current().nextLong(pause));
      }
    }
    return ask(request);
  }

  private ResolveUserResponse ask(ResolveUserRequest request) {
    return UserLookupGrpc.newBlockingStub(channel)
        .withDeadlineAfter(ATTEMPT_MILLISECONDS, TimeUnit.MILLISECONDS)
        .resolveUser(request);
  }

  /** Returns the reason of docs/errors.md, or null where the failure is not a refusal of Toroku. */
  public static String readReason(StatusRuntimeException error) throws InvalidProtocolBufferException {
    Status status = StatusProto.fromThrowable(error);
    if (status == null) {
      return null;
    }
    for (Any detail : status.getDetailsList()) {
      if (detail.is(ErrorInfo.class)) {
        ErrorInfo info = detail.unpack(ErrorInfo.class);
        return info.getDomain().equals("toroku") ? info.getReason() : null;
      }
    }
    return null;
  }

  @Override
  public void close() {
    channel.shutdown();
  }
}
